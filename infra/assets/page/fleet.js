// The fleet: every device in a row, those that need somebody first.

import { ask } from "./ask.js";
import { arrange, command, h, say, warn } from "./dom.js";
import { arranged, isIn, MOST_FIRST, quantities, sensorOf, troubles } from "./fleet-rows.js";
import { count, lag, moment, shown, span, titled } from "./format.js";
import * as live from "./live.js";
import { go, link } from "./router.js";
import { spark } from "./spark.js";

const COLUMNS = [
  ["device", "Device", "device"],
  ["attention", "State", "state"],
  ["value", "Now", "value number"],
  [null, "Last 24 h", "line"],
  ["site", "Site, labels", "said"],
  ["seen", "Last seen", "seen number two"],
  ["lag", "Lag", "number"],
  ["clock", "Clock", ""],
  ["queue", "Queue", "number"],
  ["faults", "Faults 1 h", "number two"],
  ["refused", "Refused 1 h", "number two"],
  ["agent", "Agent", ""],
];

/** Lines that are asked for at once, and after how long again. */
const LINES = 20;
const LINES_EVERY = 120_000;

/** A lag that is no more than batching and the way, in milliseconds. */
const LATE = 60_000;

const STATES = [["", "devices"], ["alert", "with an alert"], ["silent", "silent"], ["trouble", "in trouble"], ["well", "well"]];
const MARKS = { alert: "▲", silent: "○", trouble: "◆", well: "" };

const read = (query) => ({
  words: query.get("q") ?? "",
  state: query.get("show") ?? "",
  sort: query.get("sort") ?? "attention",
  descending: query.get("order") === "desc",
  quantity: query.get("quantity") ?? "",
});
const address = (wish) => link("/", {
  q: wish.words, show: wish.state, quantity: wish.quantity,
  sort: wish.sort === "attention" ? "" : wish.sort, order: wish.descending ? "desc" : "",
});

const empty = () => h("div", { class: "empty card" }, h("h2", {}, "No reading yet"),
  h("p", {}, "Nothing has come to these tables. Give a device a certificate and a configuration, start its agent, and it stands here a few seconds later:"),
  command("tidings provision pi-1 --aws --out pi-1", "provision a device"),
  h("p", {}, "A device that was to be here and is not: ", h("a", { href: "/quarantine" }, "quarantine"), " has what was refused, ", h("a", { href: "/path" }, "path"), " says how far readings come, and ", h("code", {}, "tidings doctor"), " what is wrong with the deployment."));

/** One device's row, brought up to date in place. */
class Row {
  constructor(device) {
    const cell = (kind, role = "cell") => h("td", { class: kind, role });
    this.cells = COLUMNS.slice(1).map(([, , kind]) => cell(kind));
    this.element = h("tr", { role: "row" },
      h("th", { class: "device", scope: "row", role: "rowheader" }, h("a", { href: `/device/${encodeURIComponent(device)}` }, device)), ...this.cells);
    this.line = null;
  }

  update(row, quantity) {
    const [state, value, , said, seen, late, clock, queue, faults, refused, agent] = this.cells;
    const key = JSON.stringify([row, quantity]);
    if (key === this.key) return;
    this.key = key;
    this.element.dataset.state = row.state;
    state.replaceChildren(badge(row));
    const sensor = sensorOf(row, quantity);
    const now = sensor?.values[quantity];
    const old = row.silent && now;
    value.classList.toggle("old", Boolean(old));
    say(value, now ? shown(now.value, now.unit) : "–");
    value.title = now ? `${sensor.sensor}${sensor.at && sensor.clock === "set" ? `, ${moment(sensor.at)}` : ""}` : `No sensor of ${row.device} measures ${titled(quantity)}`;
    const labels = Object.entries(row.labels).map(([name, text]) => `${name} ${text}`).join(", ");
    said.replaceChildren(row.site ?? "", h("span", {}, labels ? `${row.site ? " · " : ""}${labels}` : ""));
    said.title = said.textContent;
    if (row.last_seen === null) seen.replaceChildren("never");
    else seen.replaceChildren(h("time", { datetime: new Date(row.last_seen).toISOString(), title: moment(row.last_seen), "data-since": row.last_seen }, span(live.now() - row.last_seen)));
    say(late, lag(row.lag_ms));
    late.classList.toggle("odd", row.lag_ms > LATE || row.lag_ms < -2000);
    say(clock, row.clock === "unset" ? "not set" : row.clock ?? "–");
    clock.classList.toggle("odd", row.clock === "unset");
    say(queue, count(row.waiting));
    queue.title = row.lost > 0 ? `${count(row.lost)} lost since the queue was made` : "";
    if (row.lost > 0) queue.append(h("span", { class: "odd" }, ` −${count(row.lost)}`));
    say(faults, count(row.faults_hour));
    faults.classList.toggle("odd", row.faults_hour > 0);
    if (row.quarantined_hour > 0) refused.replaceChildren(h("a", { href: link("/quarantine", { device: row.device }) }, count(row.quarantined_hour)));
    else say(refused, "0");
    say(agent, row.agent_version ?? "–");
  }
}

/** How a device is, in a word and a mark. */
export const badge = (row) => {
  const silence = row.last_seen === null ? ["never heard"] : ["silent ", h("span", { "data-since": row.last_seen }, span(live.now() - row.last_seen))];
  const words = {
    alert: () => row.alerts.flatMap((alert, index) => [index > 0 && ", ", ...(alert.name === "silence" ? silence : [alert.name])]).filter(Boolean),
    silent: () => silence,
    trouble: () => [troubles(row).join(", ") || "trouble"],
    well: () => ["well"],
  };
  const more = words[row.state]();
  const title = row.state === "alert" ? row.alerts.map((alert) => alert.text).join("; ") : troubles(row).join(", ");
  return h("span", { class: `badge ${row.state}`, title }, MARKS[row.state] && h("span", { "aria-hidden": "true" }, MARKS[row.state]), h("span", {}, ...more));
};

export const show = (root, query) => {
  let wish = read(query);
  const rows = new Map();
  const table = h("tbody", { role: "rowgroup" });
  const heads = new Map();
  const header = COLUMNS.map(([sort, title, kind]) => {
    const head = h("th", { class: kind, scope: "col", role: "columnheader" }, sort ? h("button", { type: "button", onclick: () => sortBy(sort) }, title) : title);
    if (sort) heads.set(sort, head);
    return head;
  });
  const filter = h("input", { type: "search", value: wish.words, placeholder: "name, site, label", autocomplete: "off", oninput: () => change({ words: filter.value }, true) });
  const chosen = h("select", { onchange: () => change({ quantity: chosen.value }) });
  const sorting = h("select", { onchange: () => change({ sort: sorting.value, descending: MOST_FIRST.has(sorting.value) }) },
    ...COLUMNS.filter(([sort]) => sort).map(([sort, title]) => h("option", { value: sort }, sort === "attention" ? "State" : title)));
  const tiles = STATES.map(([state, title]) => {
    const number = h("strong", {}, "–");
    const element = h("button", { type: "button", class: `tile ${state}`, "aria-pressed": "false", onclick: () => change({ state: wish.state === state ? "" : state }) }, number, h("span", {}, title));
    return { state, number, element };
  });
  const refused = h("a", { class: "button tile", href: "/quarantine" }, h("strong", {}, "–"), h("span", {}, "refused, 1 h"));
  const shownCount = h("p", { class: "quiet small push", role: "status" });
  const trouble = h("div", {});
  const body = h("div", {});
  const scroll = h("div", { class: "scroll fleet", role: "region", "aria-label": "Devices", tabindex: "0" },
    h("table", { role: "table" }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...header)), table));
  const bar = h("div", { class: "bar" }, h("label", {}, "Filter", filter), h("label", {}, "Quantity", chosen), h("label", { class: "sorting" }, "Sort by", sorting), shownCount);
  const tileRow = h("div", { class: "tiles", role: "group", "aria-label": "Show" }, ...tiles.map((tile) => tile.element), refused);
  root.replaceChildren(h("h1", { class: "hidden" }, "Fleet"), trouble, body);
  body.replaceChildren(h("p", { class: "quiet" }, "asking the tables…"));

  const change = (more, replace = false) => {
    wish = { ...wish, ...more };
    go(address(wish), { replace });
  };
  const sortBy = (sort) => change({ sort, descending: wish.sort === sort ? !wish.descending : MOST_FIRST.has(sort) });

  let drawn = [];
  const draw = () => {
    warn(trouble, live.fleet.problem);
    if (!live.fleet.known) {
      if (live.fleet.problem) body.replaceChildren();
      return;
    }
    const all = [...live.fleet.rows.values()];
    if (all.length === 0) { body.replaceChildren(empty()); return; }
    if (scroll.parentNode !== body) body.replaceChildren(tileRow, bar, scroll);
    const names = quantities(all);
    const quantity = wish.quantity || names[0] || "";
    const options = names.includes(quantity) ? names : [quantity, ...names];
    if (chosen.dataset.options !== options.join()) {
      chosen.dataset.options = options.join();
      chosen.replaceChildren(...options.map((name) => h("option", { value: name }, titled(name))));
    }
    chosen.value = quantity;
    sorting.value = wish.sort;
    if (document.activeElement !== filter) filter.value = wish.words;
    for (const [sort, head] of heads) {
      if (sort === wish.sort) head.setAttribute("aria-sort", wish.descending ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
    }
    for (const tile of tiles) {
      say(tile.number, count(all.filter((row) => isIn(row, tile.state)).length));
      tile.element.setAttribute("aria-pressed", String(wish.state === tile.state));
    }
    say(refused.firstChild, `${live.fleet.whole.quarantine_capped ? "≥ " : ""}${count(live.fleet.whole.quarantined_hour)}`);
    drawn = arranged(all, { ...wish, quantity });
    const elements = drawn.map((row) => {
      if (!rows.has(row.device)) rows.set(row.device, new Row(row.device));
      const one = rows.get(row.device);
      one.update(row, quantity);
      return one.element;
    });
    const before = table.firstElementChild;
    arrange(table, elements);
    if (before && elements[0] && elements[0] !== before && wish.sort === "attention") elements[0].classList.add("moved");
    say(shownCount, drawn.length === all.length ? "" : `${count(drawn.length)} of ${count(all.length)} shown`);
    lines(quantity);
  };

  // Lines of the rows on the screen and a little below, some at once.
  let asking = false;
  const giveUp = new AbortController();
  const lines = async (quantity) => {
    if (asking) return;
    const due = drawn.filter((row) => {
      const one = rows.get(row.device);
      return sensorOf(row, quantity) && (one.lineOf !== quantity || Date.now() - one.lineAt > LINES_EVERY) && one.element.getBoundingClientRect().top < innerHeight * 1.5;
    }).slice(0, LINES);
    for (const row of drawn) {
      const one = rows.get(row.device);
      if (!sensorOf(row, quantity) && one.lineOf) { one.cells[2].replaceChildren(); one.lineOf = null; }
    }
    if (due.length === 0) return;
    asking = true;
    try {
      const sensors = due.map((row) => `${row.device}/${sensorOf(row, quantity).sensor}`);
      const found = await ask("sparks", { quantity, sensors: sensors.join() }, giveUp.signal);
      due.forEach((row, index) => {
        const one = rows.get(row.device);
        Object.assign(one, { lineOf: quantity, lineAt: Date.now() });
        const line = spark(found[sensors[index]], quantity, sensorOf(row, quantity).values[quantity].unit);
        one.cells[2].replaceChildren(line ?? h("span", { class: "quiet small" }, "no line yet"));
      });
    } catch (error) {
      if (error.name === "AbortError") return;
      // Not again at once: what fails for one fails for all.
      for (const row of due) Object.assign(rows.get(row.device), { lineOf: quantity, lineAt: Date.now() - LINES_EVERY + 10_000 });
    }
    asking = false;
    if (wish.quantity === quantity || !wish.quantity) lines(quantity);
  };

  const onScroll = () => { if (chosen.value) lines(chosen.value); };
  addEventListener("scroll", onScroll, { passive: true });
  const off = live.on("fleet", draw);
  live.watch(null);
  draw();
  return {
    update: (changed) => { wish = read(changed); draw(); },
    stop: () => { off(); giveUp.abort(); removeEventListener("scroll", onScroll); },
  };
};
