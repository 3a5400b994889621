// Which devices are shown, and in which order. Pure.

/** Whether a device is among those of a state: one with an alert may be silent, too. */
export const isIn = (row, state) => !state || row.state === state || (state === "silent" && row.silent);

const ORDER = { alert: 0, silent: 1, trouble: 2, well: 3 };

/** The sensor that stands for a device where a quantity is shown: the first by name, the agent's own last. */
export const sensorOf = (row, quantity) => {
  const having = row.sensors.filter((sensor) => quantity in sensor.values);
  return having.find((sensor) => sensor.sensor !== "agent") ?? having[0];
};

/** All quantities of all devices, those that most devices have first, what agents say of themselves last. */
export const quantities = (rows) => {
  const counts = new Map();
  for (const row of rows) {
    const own = new Set(row.sensors.filter((sensor) => sensor.sensor !== "agent").flatMap((sensor) => Object.keys(sensor.values)));
    for (const name of own) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  // Of those that all have, what people look at first.
  const liked = ["temperature", "humidity", "pressure", "co2", "soil_moisture", "cpu_temperature"];
  const rank = (name) => (liked.indexOf(name) + 1 || liked.length + 1);
  return [...counts].sort(([one, count], [other, others]) => others - count || rank(one) - rank(other) || one.localeCompare(other)).map(([name]) => name);
};

/** What a device says and is called, for the filter. */
const text = (row) => [row.device, row.site ?? "", ...Object.entries(row.labels).flatMap(([name, value]) => [value, `${name}=${value}`])].join("\n").toLowerCase();

/** What of a row each column is sorted by; nothing is last either way. */
const KEYS = {
  attention: (row) => ORDER[row.state],
  device: (row) => row.device,
  value: (row, quantity) => sensorOf(row, quantity)?.values[quantity].value,
  site: (row) => row.site ?? undefined,
  seen: (row) => (row.last_seen === null ? undefined : -row.last_seen),
  lag: (row) => row.lag_ms ?? undefined,
  clock: (row) => row.clock ?? undefined,
  queue: (row) => row.waiting ?? undefined,
  faults: (row) => row.faults_hour ?? undefined,
  refused: (row) => row.quarantined_hour,
  agent: (row) => row.agent_version ?? undefined,
};

/** Columns of which the most is what one looks for. */
export const MOST_FIRST = new Set(["seen", "lag", "queue", "faults", "refused", "value"]);

const compare = (one, other) => (typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other);

/** The rows to show: `words` must all be in name, site or labels; `state` is one of `row.state`, or empty. */
export const arranged = (rows, { words, state, sort, descending, quantity }) => {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const key = KEYS[sort] ?? KEYS.attention;
  const list = rows.filter((row) => isIn(row, state) && wanted.every((word) => text(row).includes(word)));
  const keyed = list.map((row) => [key(row, quantity), row]);
  keyed.sort(([one, row], [other, row2]) => {
    if (one === undefined || other === undefined) return (one === undefined) - (other === undefined) || compare(row.device, row2.device);
    return (descending ? -1 : 1) * compare(one, other) || compare(row.device, row2.device);
  });
  return keyed.map(([, row]) => row);
};

/** What is wrong with a device, in words. */
export const troubles = (row) => {
  const list = [];
  if (row.disk_failing) list.push("disk fails");
  if (row.clock === "unset") list.push("clock not set");
  const broken = row.sensors.filter((sensor) => sensor.fault);
  for (const sensor of broken.slice(0, 2)) list.push(`${sensor.sensor}: ${sensor.fault}`);
  if (broken.length > 2) list.push(`${broken.length - 2} more faults`);
  if (broken.length === 0 && row.faults_hour > 0) list.push(`${row.faults_hour} fault${row.faults_hour === 1 ? "" : "s"}`);
  if (row.quarantined_hour > 0) list.push(`${row.quarantined_hour} refused`);
  return list;
};
