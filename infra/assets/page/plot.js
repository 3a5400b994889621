// One chart: a quantity of some sensors over time. It alone knows uPlot.

import { h, say, svg } from "./dom.js";
import { exact, number, short, shown, span, titled, unitName } from "./format.js";
import { summary, table } from "./words.js";

const HEIGHT = 190;

/** How far from the crosshair a reading may be to be told, in pixels; and a fault. */
const NEAR = 28;
const NEAR_FAULT = 5;

/** A drag shorter than that is a click, in pixels. */
const DRAG = 5;

const COLOURS = 6;
const DASHES = [undefined, [6, 3], [2, 3]];

// A canvas takes no custom property and no light-dark(): both are resolved on an element.
const probe = document.body.appendChild(h("span", { hidden: true }));
const colour = (name) => {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
};
const faded = (name, share) => colour(name).replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);
const series = (index) => `--s${index % COLOURS}`;
const dash = (index) => DASHES[Math.floor(index / COLOURS) % DASHES.length];

/** What uPlot draws: for each line its mean, and where a point stands for several readings its least and greatest. */
const layout = (lines) => lines.map((line) => `${line.sensor}:${line.step > 0}`).join();

export class Plot {
  /** `bounds()` gives the time shown; `onZoom` and `onPan` take times in milliseconds. */
  constructor(chart, { bounds, onZoom, onPan, faults }) {
    Object.assign(this, { chart, bounds, onZoom, onPan, faults });
    this.id = `plot-${chart.key.replaceAll(/[^a-z0-9]/gi, "-")}`;
    this.title = h("h3", { id: this.id }, titled(chart.quantity), h("span", {}, unitName(chart.unit) ? ` ${unitName(chart.unit)}` : ""));
    this.keys = h("span", { class: "keys" });
    this.when = h("p", { class: "when" });
    this.words = h("p", { class: "hidden" });
    this.canvas = h("div", { class: "canvas" });
    this.table = h("details", { ontoggle: () => this.fillTable() }, h("summary", {}, "As a table"), h("div", {}));
    this.element = h("figure", { class: "plot card", role: "group", "aria-labelledby": this.id },
      h("figcaption", {}, this.title, this.keys, this.when), this.words, this.canvas, this.table);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.canvas);
    this.update(chart);
  }

  /** Takes the lines as they are now. */
  update(chart) {
    this.chart = chart;
    const now = layout(chart.lines);
    if (this.plot && now === this.layout) this.plot.setData(this.data());
    else this.make();
    this.layout = now;
    this.describe();
    this.tell();
    if (this.table.open) this.fillTable();
  }

  /** Shows the time that it is now. */
  move() {
    const [from, to] = this.bounds();
    this.plot?.setScale("x", { min: from / 1000, max: to / 1000 });
  }

  recolour() {
    this.plot?.redraw(false);
    this.keyLines();
  }

  end() {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  data() {
    const tables = this.chart.lines.map((line) => {
      const at = line.at.map((time) => time / 1000);
      return line.step > 0 ? [at, line.mean, line.min, line.max] : [at, line.mean];
    });
    // What another sensor has no point at stays undefined, which is no gap; a gap is null.
    return tables.length === 1 ? tables[0] : uPlot.join(tables, tables.map((one) => one.map(() => 2)));
  }

  make() {
    this.plot?.destroy();
    this.rows = [];
    const bands = [];
    const all = [{}];
    for (const line of this.chart.lines) {
      this.rows.push(all.length);
      all.push({ label: line.sensor, stroke: () => colour(series(line.index)), width: 1.6, dash: dash(line.index), spanGaps: false, points: { size: 4 } });
      if (line.step > 0) {
        const edge = { stroke: () => faded(series(line.index), 0.35), width: 0.6, points: { show: false }, spanGaps: false };
        all.push(edge, edge);
        bands.push({ series: [all.length - 1, all.length - 2], fill: () => faded(series(line.index), 0.2) });
      }
    }
    const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--faint"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const inUnit = this.chart.unit;
    this.plot = new uPlot({
      width: this.width(), height: HEIGHT, legend: { show: false }, bands, series: all,
      scales: { x: { time: true, range: () => this.bounds().map((time) => time / 1000) } },
      axes: [
        { ...axis, size: 30, space: 64, values: ticks },
        { ...axis, size: (_, values) => 16 + 6.6 * Math.max(0, ...(values ?? []).map((value) => value.length)), space: 30, values: (_, marks) => marks.map((mark) => (inUnit === "B" ? shown(mark, "B") : tick(mark))) },
      ],
      cursor: {
        y: false, focus: { prox: -1 }, points: { size: 7 },
        drag: { x: true, y: false, setScale: false },
        dataIdx: (plot, index, hovered) => (index === 0 ? hovered : nearest(plot, plot.data[index], hovered)),
        // Where the mouse is is the others' affair; what it chooses is not.
        sync: { key: "device", setSeries: false, filters: { pub: (kind) => kind === "mousemove" || kind === "mouseleave" } },
      },
      hooks: {
        setCursor: [() => this.tell()],
        setSelect: [(plot) => this.chosen(plot)],
        draw: [(plot) => this.drawFaults(plot)],
      },
    }, this.data(), this.canvas);
    dragToPan(this.plot, (pixels) => {
      const [from, to] = this.bounds();
      const span = ((to - from) * -pixels) / this.plot.over.clientWidth;
      this.onPan(from + span, to + span);
    });
    this.keyLines();
  }

  keyLines() {
    this.values = [];
    this.keys.replaceChildren(...this.chart.lines.map((line) => {
      const value = h("b", {});
      this.values.push(value);
      const mark = svg("svg", { viewBox: "0 0 20 8", "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 20, y1: 4, y2: 4, stroke: colour(series(line.index)), "stroke-width": 2.5, "stroke-dasharray": dash(line.index)?.join(" ") }));
      return h("span", { class: "key" }, mark, line.sensor, value);
    }));
    this.tell();
  }

  width() { return Math.max(200, this.canvas.clientWidth || 600); }

  fit() {
    if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: HEIGHT });
  }

  /** What stands under the crosshair; without one, what came last. */
  tell() {
    if (!this.plot || !this.values) return;
    const { left, idxs } = this.plot.cursor;
    const [from, to] = this.bounds();
    const has = left >= 0 && idxs;
    let at = null;
    const told = this.chart.lines.map((line, number) => {
      const row = this.rows[number];
      const index = has ? idxs[row] : this.plot.data[row].findLastIndex((value) => value !== null && value !== undefined);
      const value = index === null || index === undefined || index < 0 ? null : this.plot.data[row][index];
      const time = value === null || value === undefined ? null : this.plot.data[0][index] * 1000;
      if (time !== null && (at === null || time > at)) at = time;
      return { index, time, text: value === null || value === undefined ? "–" : has && line.step === 0 ? exact(value, line.unit) : shown(value, line.unit) };
    });
    // Sensors do not measure at one moment: whose time is another one says so.
    told.forEach(({ time, text }, number) => say(this.values[number], has && time !== null && time !== at ? `${text} (${short(time, to - from)})` : text));
    const step = Math.max(0, ...this.chart.lines.map((line) => line.step));
    const parts = [];
    if (has) {
      const fault = this.faultAt(left);
      if (fault) parts.push(`fault of ${fault.sensor}: ${fault.fault}${fault.times > 1 ? `, ${fault.times} times` : ""}, ${short(fault.at, to - from)}`);
      else if (at !== null) parts.push(short(at, to - from));
      else parts.push(`nothing near ${short(this.plot.posToVal(left, "x") * 1000, to - from)}`);
      if (at !== null && step > 0 && !fault) {
        const around = this.chart.lines.map((line, place) => {
          const [low, high] = [1, 2].map((more) => this.plot.data[this.rows[place] + more]?.[told[place].index]);
          return low === null || low === undefined ? null : `${line.sensor} from ${number(low, line.unit)} to ${shown(high, line.unit)}`;
        });
        parts.push([`mean of ${span(step)}`, ...around.filter(Boolean)].join("; "));
      }
    } else if (at !== null) {
      parts.push(`last ${short(at, to - from)}`, step > 0 ? `means of ${span(step)}, least to greatest shaded` : "");
    } else parts.push("nothing in this time");
    say(this.when, parts.filter(Boolean).join(" · "));
  }

  chosen(plot) {
    const { left, width } = plot.select;
    if (width < DRAG) return;
    const [from, to] = [plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onZoom(from, to);
  }

  own() {
    const sensors = new Set(this.chart.lines.map((line) => line.sensor));
    return this.faults().filter((fault) => sensors.has(fault.sensor));
  }

  faultAt(left) {
    let found = null;
    for (const fault of this.own()) {
      const distance = Math.abs(this.plot.valToPos(fault.at / 1000, "x") - left);
      if (distance <= NEAR_FAULT && (!found || distance < found.distance)) found = { ...fault, distance };
    }
    return found;
  }

  /** A tick on the time axis for each fault. */
  drawFaults(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = colour("--alert");
    const scale = devicePixelRatio;
    let last = -Infinity;
    for (const fault of this.own()) {
      const x = plot.valToPos(fault.at / 1000, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width || x - last < scale) continue;
      ctx.fillRect(Math.round(x - scale), bbox.top + bbox.height - 9 * scale, 2 * scale, 9 * scale);
      last = x;
    }
    ctx.restore();
  }

  describe() {
    const text = this.chart.lines.map((line) => summary(this.chart.quantity, line)).join(" ");
    say(this.words, text);
  }

  fillTable() {
    if (this.table.open) this.table.lastElementChild.replaceChildren(table(this.chart.quantity, this.chart.lines));
  }
}

const tick = (value) => (Math.abs(value) >= 1e4 ? Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 }).format(value) : String(Number(value.toPrecision(6))));

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });

/** Times on the axis; the first of a day is told by its date. */
const ticks = (_, marks, __, ___, step) => marks.map((mark, index) => {
  const at = mark * 1000;
  if (step >= 86_400 * 27) return MONTH.format(at);
  if (step >= 86_400) return DAY.format(at);
  const text = step < 60 ? SECOND.format(at) : CLOCK.format(at);
  const isNewDay = index > 0 && DAY.format(at) !== DAY.format(marks[index - 1] * 1000);
  return isNewDay ? DAY.format(at) : text;
});

/** The nearest point of a line to the crosshair, if it is near. */
const nearest = (plot, values, hovered) => {
  const left = plot.cursor.left;
  const is = (index) => values[index] !== null && values[index] !== undefined;
  const distance = (index) => Math.abs(plot.valToPos(plot.data[0][index], "x") - left);
  let [low, high] = [hovered, hovered];
  while (low >= 0 && !is(low) && distance(low) <= NEAR) low -= 1;
  while (high < values.length && !is(high) && distance(high) <= NEAR) high += 1;
  const found = [low, high].filter((index) => index >= 0 && index < values.length && is(index)).sort((one, other) => distance(one) - distance(other))[0];
  return found !== undefined && distance(found) <= NEAR ? found : null;
};

/** Dragging with Shift, or with the middle button, moves in time. */
const dragToPan = (plot, moved) => {
  plot.over.addEventListener("mousedown", (event) => {
    if (!(event.shiftKey && event.button === 0) && event.button !== 1) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const start = event.clientX;
    addEventListener("mouseup", (end) => { if (Math.abs(end.clientX - start) >= DRAG) moved(end.clientX - start); }, { once: true });
  }, { capture: true });
};
