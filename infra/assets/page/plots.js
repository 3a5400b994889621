// The charts of one device, and the series behind them: asked for when the time changes, added to as readings
// come in.

import { ask } from "./ask.js";
import { arrange, h, problem } from "./dom.js";
import { append, charts, rank } from "./lines.js";
import * as live from "./live.js";
import { Plot } from "./plot.js";
import * as range from "./range.js";

/** The sensor under which an agent tells of itself: after the others, and folded. */
const AGENT = "agent";

/** Means are asked for again no sooner than this, and no sooner than a tenth of a point of them is new. */
const AGAIN_MS = 10_000;

/** Points of a line: so many for each pixel, in hundreds, so that windows of about one width share an answer. */
const points = () => Math.min(2000, Math.max(200, Math.round(Math.min(innerWidth, 900) / 100) * 100));

export class Plots {
  /** `goTo` takes a range; `changed` is called whenever the series have changed. */
  constructor(device, { goTo, changed }) {
    Object.assign(this, { device, goTo, changed });
    this.sensors = [];
    this.series = {};
    this.plots = new Map();
    this.range = null;
    this.grid = h("div", { class: "plots" });
    this.agent = h("div", { class: "plots" });
    this.agentBox = h("details", { class: "below", hidden: true }, h("summary", {}, "What the agent says of itself"), this.agent);
    this.message = h("div", {});
    this.element = h("section", { "aria-labelledby": "charts" }, h("h2", { id: "charts", class: "hidden" }, "Charts"), this.message, this.grid, this.agentBox);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.onDark = () => { for (const plot of this.plots.values()) plot.recolour(); };
    this.dark.addEventListener("change", this.onDark);
    this.timer = setInterval(() => this.tick(), 1000);
    this.asked = 0;
  }

  bounds() { return range.bounds(this.range, live.now()); }

  /** Every fault in the time shown, in order. */
  faults() {
    const [from, to] = this.bounds();
    const list = Object.entries(this.series).flatMap(([sensor, series]) => series.faults.map((fault) => ({ ...fault, sensor })));
    return list.filter((fault) => fault.at >= from && fault.at <= to).sort((one, other) => one.at - other.at);
  }

  /** Readings whose device did not know the time. */
  unset() { return Object.entries(this.series).flatMap(([sensor, series]) => series.unset.map((reading) => ({ ...reading, sensor }))); }

  /** Shows these sensors in this time. */
  show(sensors, wanted) {
    const before = JSON.stringify([this.sensors, this.range]);
    this.sensors = sensors;
    this.range = wanted;
    if (before !== JSON.stringify([sensors, wanted])) this.load();
  }

  /** Asks for all series; an answer that comes after a later question is dropped. */
  async load() {
    this.giveUp?.abort();
    const giveUp = this.giveUp = new AbortController();
    this.asked = Date.now();
    this.element.setAttribute("aria-busy", "true");
    const time = this.range.last ? { last: this.range.last } : { from: this.range.from, to: this.range.to };
    try {
      const asked = this.sensors.map(async (sensor) => [sensor, await ask("series", { device: this.device, sensor, points: points(), ...time }, giveUp.signal)]);
      const settled = await Promise.allSettled(asked);
      const failed = settled.find((one) => one.status === "rejected")?.reason;
      const found = settled.filter((one) => one.status === "fulfilled").map((one) => one.value);
      if (failed?.name === "AbortError") return;
      // What came is shown; the rest is asked for again.
      this.stale = Boolean(failed);
      if (failed && found.length === 0) throw failed;
      this.series = Object.fromEntries(found);
      const short = found.filter(([, series]) => series.incomplete).map(([sensor, series]) => `${sensor}: ${series.incomplete}`);
      this.message.replaceChildren(...(failed ? [problem(failed)] : []), ...(short.length ? [h("p", { class: "odd" }, short.join(" "))] : []));
      this.draw();
    } catch (error) {
      this.stale = true;
      this.message.replaceChildren(problem(error));
    }
    if (giveUp === this.giveUp) this.element.removeAttribute("aria-busy");
  }

  /** Takes readings as they come in. */
  take(readings) {
    if (!this.range?.last) return;
    const [from] = this.bounds();
    let whole = true;
    for (const sensor of new Set(readings.map((reading) => reading.sensor))) {
      const own = readings.filter((reading) => reading.sensor === sensor).sort((one, other) => one.at - other.at);
      if (this.series[sensor]) whole = append(this.series[sensor], own, from) && whole;
    }
    if (!whole) this.stale = true;
    this.draw();
  }

  /** Time goes on without readings too. */
  tick() {
    if (!this.range || document.hidden) return;
    const step = Math.max(AGAIN_MS, ...Object.values(this.series).map((series) => Math.min(series.step_ms / 10, 60_000)));
    if (this.stale && Date.now() - this.asked > step) { this.stale = false; this.load(); return; }
    if (!this.range.last) return;
    // As soon as it would be a pixel.
    if (Date.now() - (this.moved ?? 0) < this.range.last / points()) return;
    this.moved = Date.now();
    for (const plot of this.plots.values()) plot.move();
    this.changed();
  }

  draw() {
    const all = charts(this.series, this.sensors);
    all.sort((one, other) => rank(one.quantity) - rank(other.quantity) || one.quantity.localeCompare(other.quantity));
    const keys = new Set(all.map((chart) => chart.key));
    for (const [key, plot] of this.plots) if (!keys.has(key)) { plot.end(); this.plots.delete(key); }
    const place = (chart) => {
      if (!this.plots.has(chart.key)) this.plots.set(chart.key, new Plot(chart, {
        bounds: () => this.bounds(),
        faults: () => this.faults(),
        onZoom: (from, to) => this.goTo(range.zoomTo(from, to)),
        onPan: (from, to) => this.goTo(to >= live.now() ? { last: Math.round((to - from) / 1000) * 1000 } : range.zoomTo(from, to)),
      }));
      else this.plots.get(chart.key).update(chart);
      return this.plots.get(chart.key).element;
    };
    const own = (chart) => chart.lines.every((line) => line.sensor === AGENT);
    arrange(this.grid, all.filter((chart) => !own(chart)).map(place));
    arrange(this.agent, all.filter(own).map(place));
    for (const plot of this.plots.values()) { plot.fit(); plot.move(); }
    this.agentBox.hidden = !all.some(own);
    const nothing = all.length === 0 && Object.keys(this.series).length > 0;
    if (nothing) this.grid.replaceChildren(h("p", { class: "empty card" }, "No reading in this time. A longer time, or another, may have some; “24 h” comes back to today."));
    this.changed();
  }

  stop() {
    this.giveUp?.abort();
    clearInterval(this.timer);
    this.dark.removeEventListener("change", this.onDark);
    for (const plot of this.plots.values()) plot.end();
  }
}
