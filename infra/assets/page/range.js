// The time that charts show, as the address says it: ?last=24h, or ?from=…&to=…. Pure.

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 };

export const PRESETS = [["1h", "1 h", "hour"], ["24h", "24 h", "24 hours"], ["7d", "7 d", "7 days"], ["30d", "30 d", "30 days"], ["1y", "1 y", "year"]];
export const DEFAULT = "24h";

const SHORTEST = 10_000;
const LONGEST = 20 * UNITS.y;

const milliseconds = (text) => {
  const match = /^(\d{1,9})([smhdwy])$/.exec(text ?? "");
  const value = match ? Number(match[1]) * UNITS[match[2]] : NaN;
  return value >= SHORTEST && value <= LONGEST ? value : undefined;
};

/** Milliseconds as the shortest text that says them exactly to the second. */
const text = (span) => {
  for (const unit of ["y", "d", "h", "m"]) if (span % UNITS[unit] === 0 && (unit !== "d" || span > UNITS.d)) return `${span / UNITS[unit]}${unit}`;
  return `${Math.round(span / 1000)}s`;
};

const iso = (at) => new Date(at).toISOString().replace(".000Z", "Z");

/** What an address says; what makes no sense is the last 24 hours. */
export const read = (query) => {
  const [from, to] = [Date.parse(query.get("from")), Date.parse(query.get("to"))];
  if (from < to && from >= 0) return { from, to };
  return { last: milliseconds(query.get("last")) ?? milliseconds(DEFAULT) };
};

/** The same for an address. */
export const write = (range) => (range.last ? { last: text(range.last) } : { from: iso(range.from), to: iso(range.to) });

/** From when to when that is now. */
export const bounds = (range, now) => (range.last ? [now - range.last, now] : [range.from, range.to]);

const fixed = (from, to, now) => {
  const length = Math.min(Math.max(Math.round(to - from), SHORTEST), LONGEST);
  // Nothing is later than now: who comes there, or as good as there, looks at what comes in.
  if (to >= now - length / 100) return { last: Math.round(length / 1000) * 1000 };
  const start = Math.max(0, Math.round(from / 1000) * 1000);
  return { from: start, to: start + Math.round(length / 1000) * 1000 };
};

/** A part of what is shown. */
export const zoomTo = (from, to) => {
  const start = Math.max(0, Math.floor(from));
  return { from: start, to: Math.max(Math.ceil(to), start + SHORTEST) };
};

/** Twice as near (0.5) or as far (2), around the middle; what ends now goes on to end now. */
export const zoom = (range, factor, now) => {
  if (range.last) return { last: Math.min(Math.max(Math.round(range.last * factor / 1000) * 1000, SHORTEST), LONGEST) };
  const [middle, half] = [(range.from + range.to) / 2, (range.to - range.from) * factor / 2];
  return fixed(middle - half, middle + half, now);
};

/** Earlier (below 0) or later, by a share of what is shown. */
export const pan = (range, share, now) => {
  const [from, to] = bounds(range, now);
  if (range.last && share > 0) return range;
  return fixed(from + (to - from) * share, to + (to - from) * share, now);
};
