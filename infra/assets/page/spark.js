// A day of one quantity as a small line.

import { svg } from "./dom.js";
import { shown, titled } from "./format.js";

const [WIDTH, HEIGHT, EDGE] = [120, 24, 2.5];

/** How many times the usual distance between two points is a gap. */
const GAP = 2.5;

/** A line of `{ from, to, at, mean }`; null where there is none. */
export const spark = ({ from, to, at, mean }, quantity, unit) => {
  const points = at.map((time, index) => [time, mean[index]]).filter(([, value]) => value !== null && value !== undefined);
  if (points.length < 2) return null;
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (time) => EDGE + ((time - from) / (to - from)) * (WIDTH - 2 * EDGE);
  // What does not move is a line in the middle.
  const y = (value) => (high === low ? HEIGHT / 2 : HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE));
  const usual = points.slice(1).map(([time], index) => time - points[index][0]).sort((one, other) => one - other)[points.length >> 1] ?? 0;
  const lines = [[]];
  points.forEach(([time, value], index) => {
    if (index && time - points[index - 1][0] > Math.max(usual, (to - from) / 48) * GAP) lines.push([]);
    lines.at(-1).push(`${x(time).toFixed(1)},${y(value).toFixed(1)}`);
  });
  const [time, last] = points.at(-1);
  const label = `${titled(quantity)} over 24 hours: from ${shown(low, unit)} to ${shown(high, unit)}`;
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("title", {}, label),
    ...lines.map((line) => svg("polyline", { points: line.join(" ") })),
    svg("circle", { cx: x(time).toFixed(1), cy: y(last).toFixed(1), r: 2 }));
};
