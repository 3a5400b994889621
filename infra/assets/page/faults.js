// Where a device could not read, and what it read without knowing the time.

import { h } from "./dom.js";
import { moment, shown, span, titled } from "./format.js";

/** Marks on the strip at the most: what is nearer than that stands together in one. */
const MARKS = 48;

/** The most lines of a list. */
const LISTED = 200;

const REASONS = {
  timeout: "the sensor did not answer in time",
  "not-present": "nothing answers where the sensor should be",
  "bus-error": "the bus reported an error",
  checksum: "an answer with a wrong checksum",
  "out-of-range": "an answer that the sensor cannot mean",
};

/** How many faults some entries stand for: over a long time one stands for those of a point. */
const sum = (faults) => faults.reduce((all, fault) => all + fault.times, 0);

const told = (fault) => `${moment(fault.at)}, ${fault.sensor}: ${fault.fault}${fault.times > 1 ? `, ${fault.times} times` : ""}`;

/** A time line of faults whose marks tell what and when. */
export const strip = (faults, [from, to]) => {
  if (faults.length === 0) return null;
  const groups = new Map();
  for (const fault of faults) {
    const place = Math.floor(((fault.at - from) / (to - from)) * MARKS);
    groups.set(place, [...(groups.get(place) ?? []), fault]);
  }
  const line = h("div", { class: "strip" });
  const said = h("p", { class: "small quiet", role: "status" }, `${sum(faults)} fault${sum(faults) === 1 ? "" : "s"} in this time: point at a mark, or go to it with the keyboard.`);
  for (const [place, group] of groups) {
    const first = group[0];
    const text = group.length === 1 ? `${told(first)} (${REASONS[first.fault] ?? "a reason of its own"})`
      : `${sum(group)} faults from ${moment(first.at)} to ${moment(group.at(-1).at)}: ${[...new Set(group.map((fault) => `${fault.sensor}: ${fault.fault}`))].join(", ")}`;
    const tell = () => { said.textContent = text; };
    const mark = h("button", { type: "button", "aria-label": text, title: text, onfocus: tell, onmouseenter: tell, onclick: tell }, "▲");
    mark.style.left = `${((place + 0.5) / MARKS) * 100}%`;
    line.append(mark);
  }
  return h("section", { class: "card below", "aria-labelledby": "faults" }, h("h2", { id: "faults" }, "Faults"), line, said,
    h("details", {}, h("summary", {}, "As a list"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "List of faults" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), h("th", { scope: "col" }, "Sensor"), h("th", { scope: "col" }, "Fault"), h("th", { scope: "col", class: "number" }, "Times"))),
      h("tbody", {}, ...faults.toReversed().slice(0, LISTED).map((fault) => h("tr", {}, h("td", {}, moment(fault.at)), h("td", {}, fault.sensor), h("td", {}, `${fault.fault} – ${REASONS[fault.fault] ?? ""}`), h("td", { class: "number" }, String(fault.times)))))))));
};

/** Readings without a time. */
export const untimed = (readings) => {
  if (readings.length === 0) return null;
  const values = (one) => Object.entries(one.values).map(([name, value]) => `${titled(name)} ${shown(value, one.units?.[name])}`).join(", ");
  return h("section", { class: "card", "aria-labelledby": "untimed" }, h("h2", { id: "untimed" }, "Readings without a time"),
    h("p", { class: "small" }, "The device did not know the time when it took them, and its power failed before it did. When they came is known, and how long it had been on."),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "List of readings without a time" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Received"), h("th", { scope: "col" }, "Sensor"), h("th", { scope: "col" }, "On for"), h("th", { scope: "col" }, "Values"))),
      h("tbody", {}, ...readings.slice(0, LISTED).map((one) => h("tr", {}, h("td", {}, one.received_at ? moment(one.received_at) : "–"), h("td", {}, one.sensor), h("td", {}, span(one.uptime_ms)), h("td", {}, values(one))))))));
};
