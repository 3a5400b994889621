// What stands around the charts of a device: its latest values, what the operator says of it, and where to go on.

import { command, h } from "./dom.js";
import { badge } from "./fleet.js";
import { count, lag, moment, shown, span, titled } from "./format.js";
import * as live from "./live.js";
import { link } from "./router.js";

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
const ago = (at) => h("time", { datetime: new Date(at).toISOString(), title: moment(at), "data-since": at, "data-ago": " ago" }, `${span(live.now() - at)} ago`);

/** Name, state and the facts of its row. */
export const head = (device, row) => {
  const title = h("div", { class: "title" }, h("h1", {}, device), row && badge(row), row?.site && h("span", {}, row.site),
    row && Object.keys(row.labels).length > 0 && h("span", { class: "quiet" }, Object.entries(row.labels).map(([name, text]) => `${name} ${text}`).join(", ")));
  if (!row) return h("div", {}, title);
  return h("div", {}, title, ...row.alerts.map((alert) => h("p", { class: "problem" }, h("strong", {}, `▲ ${alert.name}: `), alert.text, " ", h("span", { class: "small" }, "since ", moment(alert.since)))),
    h("dl", { class: "about" },
      fact("last seen", row.last_seen === null ? "never" : ago(row.last_seen)),
      fact("lag", lag(row.lag_ms)),
      fact("clock", row.clock === "unset" ? h("span", { class: "odd" }, "not set") : row.clock ?? "–"),
      fact("in queue", count(row.waiting)),
      row.lost > 0 && fact("lost", h("span", { class: "odd" }, count(row.lost))),
      fact("faults in an hour", count(row.faults_hour)),
      fact("refused in an hour", row.quarantined_hour > 0 ? h("a", { href: link("/quarantine", { device }) }, count(row.quarantined_hour)) : "0"),
      fact("agent", row.agent_version ?? "–"),
      row.disk_failing && fact("disk", h("span", { class: "odd" }, "fails"))));
};

/** The newest value of every quantity: `[{ sensor, quantity, value, unit, at, fault }]`. */
export const latest = (values) => h("ul", { class: "latest", "aria-label": "Latest values" }, ...values.map((one) => h("li", {},
  h("span", {}, one.fault ? one.sensor : titled(one.quantity)),
  one.fault ? h("strong", { class: "bad" }, one.fault) : h("strong", {}, shown(one.value, one.unit)),
  h("span", {}, `${one.fault ? "fault" : one.sensor} · `, one.at ? ago(one.at) : "without a time"))));

const flat = (value) => {
  if (Array.isArray(value)) return value.map(flat).join(", ");
  if (value && typeof value === "object") return Object.entries(value).map(([name, inner]) => `${name} ${flat(inner)}`).join(", ");
  return String(value);
};

/** What the operator says of it, and how to say more. */
export const said = (profile, commands) => h("section", { class: "card", "aria-labelledby": "said" }, h("h2", { id: "said" }, "What you say of it"),
  profile ? h("dl", { class: "facts" }, ...Object.entries(profile).flatMap(([name, value]) => {
    const inner = value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([key, one]) => h("div", {}, `${key}: ${flat(one)}`)) : [flat(value)];
    return [h("dt", {}, titled(name)), h("dd", {}, ...inner)];
  })) : h("p", { class: "quiet" }, "Nothing yet: site, labels, calibration, plausible ranges and derived quantities can be said."),
  command(`${commands.say} --set FILE`, "say something of this device"));

/** Where to go on from here; `range` is the time shown, as the address has it. */
export const further = (device, commands, range) => h("section", { class: "card", "aria-labelledby": "further" }, h("h2", { id: "further" }, "Further"),
  h("p", {}, h("a", { href: link("/quarantine", { device }) }, `What was refused of ${device}`)),
  h("p", {}, h("a", { href: "/path" }, "How far its readings come")),
  h("p", { class: "small" }, "The readings of the time shown, as a file:"), command(exporting(commands, range), "export the readings"),
  h("p", { class: "small quiet" }, h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " earlier, later; ", h("kbd", {}, "+"), " ", h("kbd", {}, "−"), " nearer, farther; ", h("kbd", {}, "0"), " the last 24 hours. Drag over a chart to zoom; with Shift to move."));

/** The command that writes the readings of a time into a file. Its spans have days as their longest. */
const exporting = ({ export: [start, end] }, { last, from, to }) => {
  const days = last?.endsWith("y") ? `${365 * Number.parseInt(last, 10)}d` : last;
  return `${start} ${last ? `--since ${days}` : `--since ${from} --until ${to}`}${end}`;
};
