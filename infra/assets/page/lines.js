// From the series of a device's sensors to the lines of its charts, a chart for each quantity. Pure.

const ORDER = ["temperature", "humidity", "pressure", "co2", "soil_moisture", "illuminance", "dew_point"];

/** Where a quantity stands among others: what people look at first comes first. */
export const rank = (quantity) => (ORDER.indexOf(quantity) + 1 || ORDER.length + 1);

/** What was measured in another unit than usual has its unit in its name: `leaf_wetness %`. */
const quantityOf = (name) => name.split(" ")[0];

/** How many times the usual distance between two readings is a gap. */
const GAP = 3;

/** The usual distance of some times: the median. */
const usual = (at) => {
  const steps = [];
  // Some hundreds tell as much as all.
  const stride = Math.max(1, Math.floor(at.length / 400));
  for (let index = 1; index < at.length; index += stride) steps.push(at[index] - at[index - 1]);
  steps.sort((one, other) => one - other);
  return steps[steps.length >> 1] ?? 0;
};

/** Puts a hole where nothing was read for too long, so that no line goes over it. */
const holed = (line, gap) => {
  const out = { at: [], min: [], mean: [], max: [] };
  const push = (time, index) => {
    out.at.push(time);
    for (const name of ["min", "mean", "max"]) out[name].push(index === null ? null : line[name][index] ?? null);
  };
  let before = null;
  let gaps = 0;
  line.at.forEach((time, index) => {
    // A quantity that a sensor does not tell each time has no gap where another has a value.
    if (line.mean[index] === null || line.mean[index] === undefined) return;
    if (before !== null && time - before > gap) { push(before + 1, null); gaps += 1; }
    push(time, index);
    before = time;
  });
  return { ...out, gaps };
};

/**
 * Charts by quantity and unit, each with a line for each sensor: `[{ quantity, unit, lines: [{ sensor, index, unit,
 * step, at, min, mean, max, gaps, faults }] }]`. `series` is `{ sensor: Series }`; `order` gives each sensor its colour.
 */
export const charts = (series, order) => {
  const charts = new Map();
  for (const sensor of order) {
    const one = series[sensor];
    if (!one) continue;
    for (const [name, line] of Object.entries(one.lines)) {
      const quantity = quantityOf(name);
      const key = `${quantity}|${line.unit ?? ""}`;
      if (!charts.has(key)) charts.set(key, { key, quantity, unit: line.unit ?? "", lines: [] });
      const own = line.mean.map((value, index) => (value === null || value === undefined ? null : one.at[index])).filter((time) => time !== null);
      // Where each point is a sum and none is usually missing, a point that is missing is a gap.
      const apart = usual(own);
      const gap = Math.max(one.step_ms > 0 && apart <= one.step_ms ? 1.5 * one.step_ms : GAP * Math.max(apart, one.step_ms), 2000);
      const lined = holed({ at: one.at, ...line }, gap);
      charts.get(key).lines.push({ sensor, index: order.indexOf(sensor), unit: line.unit ?? "", step: one.step_ms, faults: one.faults.reduce((sum, fault) => sum + fault.times, 0), ...lined });
    }
  }
  return [...charts.values()];
};

/** Takes new readings of one sensor into a series of single readings, and lets go of what is too old. Says whether it
 * could: a series of means is asked for anew. */
export const append = (series, readings, from) => {
  if (series.step_ms > 0) return false;
  for (const reading of readings) {
    if (!reading.is_timed) continue;
    if (reading.fault) {
      if (!series.faults.some((fault) => fault.at === reading.at)) series.faults.push({ at: reading.at, fault: reading.fault, times: 1 });
      continue;
    }
    // Nearly always the last; what came late has its place before.
    let place = series.at.length;
    while (place > 0 && series.at[place - 1] > reading.at) place -= 1;
    if (place > 0 && series.at[place - 1] === reading.at) continue;
    const all = Object.values(series.lines);
    series.at.splice(place, 0, reading.at);
    const holes = () => Array(series.at.length).fill(null);
    for (const line of all) for (const name of ["min", "mean", "max"]) line[name].splice(place, 0, null);
    for (const [quantity, value] of Object.entries(reading.values)) {
      const unit = reading.units[quantity];
      const found = Object.keys(series.lines).find((name) => quantityOf(name) === quantity && (series.lines[name].unit ?? "") === (unit ?? ""));
      const line = series.lines[found ?? quantity] ??= { unit, min: holes(), mean: holes(), max: holes() };
      for (const name of ["min", "mean", "max"]) line[name][place] = value;
    }
  }
  let old = 0;
  while (old < series.at.length && series.at[old] < from) old += 1;
  if (old > 0) {
    series.at.splice(0, old);
    for (const line of Object.values(series.lines)) for (const name of ["min", "mean", "max"]) line[name].splice(0, old);
  }
  series.faults = series.faults.filter((fault) => fault.at >= from);
  return true;
};
