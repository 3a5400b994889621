// The path of a reading, with numbers at each step: where they fall, a reading is missing.

import { ask } from "./ask.js";
import { arrange, h, warn } from "./dom.js";
import { count, lag, moment, span } from "./format.js";
import * as live from "./live.js";

const EVERY = 5000;

/** What an agent counts of itself, as its newest reading says. */
const agentOf = (row) => row.sensors.find((sensor) => sensor.sensor === "agent");
const counted = (row, name) => agentOf(row)?.values[name]?.value;

/** A sum over the devices that tell, and how many those are. */
const sum = (rows, name) => {
  const told = rows.map((row) => counted(row, name)).filter((value) => value !== undefined);
  return { value: told.length ? told.reduce((one, other) => one + other, 0) : null, told: told.length };
};

const losses = (row) => Object.entries(agentOf(row)?.values ?? {}).filter(([name, { value }]) => name.startsWith("lost_") && value > 0).map(([name, { value }]) => `${name.slice(5).replaceAll("_", " ")} ${count(value)}`);

const WHY = "not known here";

const step = (title, number, ...texts) => h("li", {}, h("h2", {}, title), h("strong", {}, number), ...texts.filter(Boolean).map((text) => h("p", {}, text)));

const functionStep = (known) => {
  if (!known) return step("Function", "…");
  if (known.known_from === "here") return step("Function", count(known.open), "events wait for it or are in it", known.failed > 0 ? h("span", { class: "bad" }, `${count(known.failed)} have failed for good: tidings replay --local`) : "none has failed for good");
  if (known.known_from === "cloud_watch") return step("Function", known.accepted === null ? "–" : count(known.accepted), "readings written in the last hour", known.failed_messages ? h("span", { class: "bad" }, `${count(known.failed_messages)} messages had to be tried again`) : "no message had to be tried again", known.lag_ms === null ? null : `longest way from rule to table ${lag(known.lag_ms)}`, "as CloudWatch says");
  return step("Function", "–", `${WHY}: ${known.why}`);
};

const steps = (rows, known) => {
  const [accepted, waiting, acknowledged] = ["accepted", "waiting", "acknowledged"].map((name) => sum(rows, name));
  const told = (one) => (one.told === rows.length ? "" : one.told === 0 ? `${WHY}: no agent tells` : `of ${count(one.told)} of ${count(rows.length)} devices; the others' agents do not tell`);
  const lags = rows.map((row) => row.lag_ms).filter((value) => value !== null).sort((one, other) => one - other);
  const seen = rows.map((row) => row.last_seen).filter((at) => at !== null);
  const lost = rows.reduce((all, row) => all + (row.lost ?? 0), 0);
  const median = lags[lags.length >> 1];
  return h("ol", { class: "steps", "aria-label": "The path of a reading" },
    step("Sampled", count(accepted.value), "readings taken into the queues since the agents started", told(accepted), lost > 0 && h("span", { class: "bad" }, `${count(lost)} lost in queues`)),
    step("Queued", count(waiting.value), "wait on the devices", told(waiting)),
    step("Published", count(acknowledged.value), "acknowledged by the broker since the agents started", told(acknowledged)),
    functionStep(known),
    step("Stored", median === undefined ? "–" : lag(median), "from reading to rule: the median of the devices’ newest", lags.length > 1 && `at most ${lag(lags.at(-1))}`,
      seen.length > 0 && h("span", {}, "newest ", h("span", { "data-since": Math.max(...seen), "data-ago": " ago" }, `${span(live.now() - Math.max(...seen))} ago`)),
      known?.known_from === "here" && `${count(known.stored)} written by the function since the start`));
};

const HEADS = ["Device", "So far", "Accepted", "In queue", "Acknowledged", "Lost", "Agent told", "Received", "Lag", "Refused, 1 h"];

/** Where a device's readings stop, in words. */
const verdict = (row) => {
  if (row.last_seen === null) return ["nothing has ever come", "bad"];
  if (row.lost > 0 && row.silent) return ["silent, and has lost readings", "bad"];
  if (row.silent) return ["not received: device, network or certificate", "odd"];
  if (row.disk_failing) return ["the queue's disk fails", "bad"];
  if (row.waiting > 100) return ["a backlog waits on the device", "odd"];
  if (row.quarantined_hour > 0) return ["some refused: see quarantine", "odd"];
  if (row.lag_ms > 60_000) return ["late between device and rule", "odd"];
  if (row.lag_ms < -2000) return ["its clock is ahead", "odd"];
  return ["through", "quiet"];
};

const line = (row) => {
  const agent = agentOf(row);
  const cell = (value, kind = "number") => h("td", { class: kind }, value);
  const since = (at) => (at ? h("time", { datetime: new Date(at).toISOString(), title: moment(at), "data-since": at, "data-ago": " ago" }, `${span(live.now() - at)} ago`) : "–");
  const [text, kind] = verdict(row);
  const lost = losses(row);
  return h("tr", {}, h("th", { scope: "row" }, h("a", { href: `/device/${encodeURIComponent(row.device)}` }, row.device)),
    cell(h("span", { class: kind }, text), "words"), cell(count(counted(row, "accepted"))), cell(count(row.waiting)), cell(count(counted(row, "acknowledged"))),
    cell(lost.length ? h("span", { class: "odd" }, lost.join(", ")) : row.lost === null ? "–" : "0"),
    cell(since(agent?.clock === "unset" ? null : agent?.at)), cell(since(row.last_seen)), cell(lag(row.lag_ms)), cell(count(row.quarantined_hour)));
};

export const show = (root) => {
  let known = null;
  const drawn = new Map();
  const [trouble, top, table] = [h("div", {}), h("div", {}), h("tbody", {})];
  root.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Path"), h("p", { class: "quiet" }, "sampled → queued → published → function → stored: a missing reading is between the last step that has it and the first that has not")),
    trouble, top, h("div", { class: "scroll", role: "region", "aria-label": "Path of each device", tabindex: "0" }, h("table", {},
      h("thead", {}, h("tr", {}, ...HEADS.map((head, index) => h("th", { scope: "col", class: index > 1 ? "number" : "" }, head)))), table)),
    h("p", { class: "small quiet note" }, "What a device counts, it tells in a reading of its own (sensor “agent”), every five minutes unless configured otherwise: between two of them the numbers stand still. “–” is what is not known, and not 0."));

  const draw = () => {
    warn(trouble, live.fleet.problem);
    if (!live.fleet.known) { top.replaceChildren(h("p", { class: "quiet" }, "asking the tables…")); return; }
    const rows = [...live.fleet.rows.values()].sort((one, other) => one.device.localeCompare(other.device, "en", { numeric: true }));
    top.replaceChildren(rows.length ? steps(rows, known) : h("p", { class: "empty card" }, "No device yet. Once a reading comes, its way is here."));
    // A row that is the same stays, and what has the focus in it.
    arrange(table, rows.map((row) => {
      const [was, key] = [drawn.get(row.device), JSON.stringify(row)];
      if (was?.key !== key) drawn.set(row.device, { key, element: line(row) });
      return drawn.get(row.device).element;
    }));
  };
  const load = async () => {
    try {
      known = (await ask("path")).function;
    } catch (error) {
      known = { known_from: "nobody", why: error.error };
    }
    draw();
  };
  const off = live.on("fleet", draw);
  live.watch(null);
  draw();
  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, EVERY);
  return { update: draw, stop: () => { off(); clearInterval(timer); } };
};
