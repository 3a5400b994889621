// A chart in words and numbers, for who does not see it.

import { h } from "./dom.js";
import { exact, moment, shown, span, titled } from "./format.js";

/** The most rows of a table: beyond, it says that there are more. */
const ROWS = 500;

/** What a line of one sensor does, in a sentence. */
export const summary = (quantity, line) => {
  const known = line.at.map((time, index) => [time, index]).filter(([, index]) => line.mean[index] !== null && line.mean[index] !== undefined);
  if (known.length === 0) return `${line.sensor}: no ${titled(quantity)} in this time.`;
  let [low, high, sum] = [Infinity, -Infinity, 0];
  for (const [, index] of known) {
    low = Math.min(low, line.min[index] ?? line.mean[index]);
    high = Math.max(high, line.max[index] ?? line.mean[index]);
    sum += line.mean[index];
  }
  const [time, index] = known.at(-1);
  const gaps = line.gaps === 0 ? "" : line.gaps === 1 ? " One gap." : ` ${line.gaps} gaps.`;
  const faults = line.faults === 0 ? "" : line.faults === 1 ? " One fault." : ` ${line.faults} faults.`;
  return `${line.sensor}: from ${shown(low, line.unit)} to ${shown(high, line.unit)}, on average ${shown(sum / known.length, line.unit)}, last ${shown(line.mean[index], line.unit)} at ${moment(time)}.${gaps}${faults}`;
};

/** The points of some lines as a table, newest first. */
export const table = (quantity, lines) => {
  const rows = lines.flatMap((line) => line.at.map((time, index) => ({ time, line, index })).filter(({ index }) => line.mean[index] !== null && line.mean[index] !== undefined));
  rows.sort((one, other) => other.time - one.time);
  const banded = lines.some((line) => line.step > 0);
  const heads = ["Time", "Sensor", banded ? "Mean" : titled(quantity), ...(banded ? ["Least", "Greatest"] : [])];
  const cell = (value, unit) => h("td", { class: "number" }, exact(value, unit));
  return h("div", {},
    rows.length > ROWS && h("p", { class: "quiet" }, `The newest ${ROWS} of ${rows.length} points; a shorter time has all of its own.`),
    banded && h("p", { class: "quiet" }, `Each row stands for ${[...new Set(lines.filter((line) => line.step > 0).map((line) => span(line.step)))].join(" or ")}.`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Points of ${titled(quantity)}` }, h("table", {},
      h("thead", {}, h("tr", {}, ...heads.map((head, index) => h("th", { scope: "col", class: index > 1 ? "number" : "" }, head)))),
      h("tbody", {}, ...rows.slice(0, ROWS).map(({ time, line, index }) => h("tr", {},
        h("td", {}, h("time", { datetime: new Date(time).toISOString() }, moment(time))), h("td", {}, line.sensor),
        cell(line.mean[index], line.unit), ...(banded ? [cell(line.min[index], line.unit), cell(line.max[index], line.unit)] : [])))))));
};
