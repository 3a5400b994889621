"use strict";
// The latest value of every sensor and the last minutes as lines. Data comes from this server
// alone; /api/live tells of new readings as they reach the table.
(() => {
  const MINUTES = 10;
  const cards = new Map();
  const main = document.getElementById("sensors");
  const state = document.getElementById("state");
  // A canvas takes no custom property and no light-dark(): it is resolved on an element.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const card of cards.values()) for (const chart of card.charts.values()) chart.plot.redraw(false);
  });
  const element = (tag, parent, text) => {
    const made = parent.appendChild(document.createElement(tag));
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const bytes = (value) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let index = 0;
    while (Math.abs(value) >= 1024 && index < units.length - 1) { value /= 1024; index += 1; }
    return `${value.toFixed(index ? 1 : 0)} ${units[index]}`;
  };
  const shown = (value, unit) => {
    if (value === undefined || value === null) return "–";
    if (unit === "B") return bytes(value);
    const name = { Cel: "°C", "%RH": "% RH", "/": "", count: "" }[unit] ?? unit ?? "";
    return `${Number(value.toPrecision(6))} ${name}`.trim();
  };

  class Card {
    constructor(point) {
      this.key = [point.device, point.sensor];
      this.at = 0;
      this.charts = new Map();
      const section = element("section", main);
      const head = element("div", section);
      head.className = "head";
      element("h2", head, `${point.device} / ${point.sensor}`);
      this.time = element("p", head);
      this.time.className = "at";
      this.grid = element("div", section);
      this.grid.className = "values";
      this.load();
    }

    // The last minutes anew; what comes meanwhile is added after them.
    async load() {
      this.backlog = [];
      this.at = 0;
      for (const chart of this.charts.values()) chart.data = [[], []];
      const query = new URLSearchParams({ device: this.key[0], sensor: this.key[1], minutes: MINUTES });
      try {
        const answer = await fetch(`api/series?${query}`);
        if (answer.ok) for (const point of await answer.json()) this.add(point);
      } catch { /* the live stream shows that the server is gone */ }
      const late = this.backlog;
      this.backlog = undefined;
      for (const point of late) this.add(point);
      this.draw();
    }

    take(point) {
      if (this.backlog) { this.backlog.push(point); return; }
      this.add(point);
    }

    add(point) {
      if (point.at <= this.at) return;
      this.at = point.at;
      this.fault = point.fault;
      const seconds = point.at / 1000;
      for (const name of Object.keys(point.values)) this.chart(name, point.units[name]);
      for (const [name, chart] of this.charts) {
        // A fault is a gap in every line.
        chart.data[0].push(seconds);
        chart.data[1].push(point.values[name] ?? null);
        while (chart.data[0].length && chart.data[0][0] < seconds - MINUTES * 60) {
          chart.data[0].shift();
          chart.data[1].shift();
        }
      }
    }

    chart(name, unit) {
      if (this.charts.has(name)) return;
      const figure = element("figure", this.grid);
      const caption = element("figcaption", figure);
      element("span", caption, name.replaceAll("_", " "));
      const value = element("strong", caption);
      const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
      const options = {
        width: Math.max(160, figure.clientWidth), height: 110, legend: { show: false },
        cursor: { y: false },
        scales: { x: { time: true } },
        axes: [
          { ...axis, size: 22, space: 70 },
          { ...axis, size: 66, space: 28, values: (_, ticks) => ticks.map((tick) => shown(tick, unit === "B" ? "B" : "")) },
        ],
        series: [{}, { stroke: () => colour("--ink"), width: 1.5, spanGaps: false, points: { show: false } }],
      };
      const data = [[], []];
      const plot = new uPlot(options, data, figure);
      new ResizeObserver(() => plot.setSize({ width: Math.max(160, figure.clientWidth), height: 110 })).observe(figure);
      figure.setAttribute("role", "img");
      this.charts.set(name, { data, plot, value, unit, figure, name });
    }

    draw() {
      this.time.textContent = this.at ? new Date(this.at).toLocaleTimeString() : "";
      this.time.classList.toggle("fault", Boolean(this.fault));
      if (this.fault) this.time.textContent += ` fault: ${this.fault}`;
      for (const chart of this.charts.values()) {
        const last = chart.data[1].findLast((value) => value !== null);
        chart.value.textContent = shown(last, chart.unit);
        chart.figure.setAttribute("aria-label", `${chart.name}: ${shown(last, chart.unit)}, the last ${MINUTES} minutes as a line`);
        chart.plot.setData(chart.data);
      }
    }
  }

  const take = (points) => {
    const changed = new Set();
    for (const point of points) {
      const key = `${point.device}#${point.sensor}`;
      if (!cards.has(key)) cards.set(key, new Card(point));
      const card = cards.get(key);
      card.take(point);
      changed.add(card);
    }
    for (const card of changed) card.draw();
    if (points.length) state.textContent = `${cards.size} sensors, live`;
  };

  fetch("api/latest").then((answer) => answer.json()).then(take).catch(() => {});
  const live = new EventSource("api/live");
  // After a break the lines are read again: what came meanwhile was not told.
  let opened = false;
  live.onopen = () => {
    if (opened) for (const card of cards.values()) card.load();
    opened = true;
    state.textContent = cards.size ? `${cards.size} sensors, live` : "waiting for the first readings…";
  };
  live.onmessage = (event) => take(JSON.parse(event.data));
  live.onerror = () => { state.textContent = "connection lost, trying again…"; };
})();
