// Numbers, times and spans as people read them.

const UNITS = { Cel: "°C", "%RH": "% RH", "%EL": "%", "/": "", count: "", "ug/m3": "µg/m³", "kg/m3": "kg/m³", lat: "°", lon: "°", "": "" };

/** Digits after the point that a good sensor of this kind can tell apart. */
const DECIMALS = { Cel: 2, "%RH": 1, "%EL": 1, hPa: 1, ppm: 0, lx: 1, V: 3, A: 3, W: 1, s: 0, mm: 2, "/": 3, count: 2, lat: 6, lon: 6 };

export const unitName = (unit) => UNITS[unit ?? ""] ?? unit;

const bytes = (value) => {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let index = 0;
  while (Math.abs(value) >= 1024 && index < names.length - 1) { value /= 1024; index += 1; }
  return `${value.toFixed(index ? 1 : 0)} ${names[index]}`;
};

/** A whole number with its thousands apart. */
export const count = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en").replaceAll(",", "\u202f"));

/** A number as far as a sensor means it. */
export const number = (value, unit) => {
  if (value === null || value === undefined) return "–";
  const decimals = DECIMALS[unit ?? ""];
  if (decimals !== undefined && Math.abs(value) < 1e6) return Number.isInteger(value) && (unit === "count" || unit === "/") ? count(value) : value.toFixed(decimals);
  const short = Number(value.toPrecision(5));
  return Math.abs(short) >= 1e5 ? count(short) : String(short);
};

/** A value with its unit. */
export const shown = (value, unit) => {
  if (value === null || value === undefined) return "–";
  if (unit === "B") return bytes(value);
  return `${number(value, unit)} ${unitName(unit)}`.trim();
};

/** The same with every digit that it has. */
export const exact = (value, unit) => (value === null || value === undefined ? "–" : `${Number(value.toPrecision(12))} ${unitName(unit)}`.trim());

export const titled = (name) => name.replaceAll("_", " ");

/** A span in its two greatest units: 45 s, 12 min, 3 h 20 min, 2 d 4 h. */
export const span = (milliseconds) => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  if (days < 14) return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
  return `${days} d`;
};

/** How long a reading was under way: to the tenth of a second, below zero where a clock is ahead. */
export const lag = (milliseconds) => {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < -2000) return `${span(-milliseconds)} ahead`;
  if (milliseconds < 60_000) return `${(Math.max(0, milliseconds) / 1000).toFixed(1)} s`;
  return span(milliseconds);
};

const part = (options) => new Intl.DateTimeFormat("en-GB", options);
const DATE = part({ day: "numeric", month: "short", year: "numeric" });
const DAY = part({ day: "numeric", month: "short" });
const TIME = part({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = part({ hour: "2-digit", minute: "2-digit" });

export const day = (at) => DATE.format(at);
/** Date and time here, to the second. */
export const moment = (at) => `${DATE.format(at)}, ${TIME.format(at)}`;
/** The same as short as a point within some span needs. */
export const short = (at, within) => (within > 3 * 86_400_000 ? `${DAY.format(at)}, ${MINUTE.format(at)}` : within > 86_400_000 ? `${DAY.format(at)}, ${TIME.format(at)}` : TIME.format(at));

/** From one time to another, the date once where it is one. */
export const between = (from, to) => {
  const same = DATE.format(from) === DATE.format(to);
  return same ? `${DATE.format(from)}, ${MINUTE.format(from)} – ${MINUTE.format(to)}` : `${DATE.format(from)}, ${MINUTE.format(from)} – ${DATE.format(to)}, ${MINUTE.format(to)}`;
};

/** The zone that all times stand in. */
export const zone = () => {
  const minutes = -new Date().getTimezoneOffset();
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  if (minutes === 0) return "UTC";
  const sign = minutes < 0 ? "−" : "+";
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${sign}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}${name ? `, ${name}` : ""}`;
};
