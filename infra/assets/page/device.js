// One device: what it says now, its charts over any time, and what to do with it.

import { ask } from "./ask.js";
import { arrange, h, problem, warn } from "./dom.js";
import { further, head, latest, said } from "./device-facts.js";
import { strip, untimed } from "./faults.js";
import { rank } from "./lines.js";
import * as live from "./live.js";
import { Plots } from "./plots.js";
import * as range from "./range.js";
import { go, link } from "./router.js";
import { tools } from "./tools.js";

const unknown = (device) => h("div", { class: "empty card" }, h("h2", {}, `Nothing is known of ${device}`),
  h("p", {}, "No reading of it has come, and nothing is said of it. Is its name right? ", h("a", { href: "/" }, "The fleet"), " has those that are known, ",
    h("a", { href: link("/quarantine", { device }) }, "quarantine"), " what was refused."));

export const show = (root, query, device) => {
  const path = `/device/${encodeURIComponent(device)}`;
  let wanted = range.read(query);
  let about = null;
  const newest = new Map();
  const [top, values, trouble, faults, sides] = ["div", "div", "div", "div", "div"].map((tag) => h(tag, {}));
  sides.className = "sides";
  const goTo = (to) => go(link(path, range.write(to)));
  const bar = tools(path, goTo);
  const plots = new Plots(device, { goTo, changed: () => drawFaults() });
  root.replaceChildren(top, trouble, values, bar.element, faults, plots.element, sides);
  top.replaceChildren(head(device, null));

  const row = () => live.fleet.rows.get(device);

  /** The newest of each quantity: of the fleet's row, and of what has come in since. */
  const drawValues = () => {
    for (const sensor of row()?.sensors ?? []) {
      const own = newest.get(sensor.sensor);
      // Without a true time, `at` counts from when the device was switched on.
      const at = sensor.clock === "unset" ? null : sensor.at;
      if (!own || (at ?? 0) > (own.at ?? 0)) newest.set(sensor.sensor, { at, values: sensor.values, fault: sensor.fault });
    }
    const list = [...newest].filter(([sensor]) => sensor !== "agent").sort().flatMap(([sensor, { at, values: found, fault }]) =>
      (fault ? [{ sensor, fault, at }] : Object.entries(found).sort(([one], [other]) => rank(one) - rank(other)).map(([quantity, { value, unit }]) => ({ sensor, quantity, value, unit, at }))));
    values.replaceChildren(...(list.length ? [latest(list)] : []));
  };

  const drawHead = () => {
    const known = row();
    // Whoever stands on a link in it stays there.
    if (!top.contains(document.activeElement)) top.replaceChildren(head(device, known));
    if (about) showPlots();
  };

  const showPlots = () => {
    const sensors = [...new Set([...about.sensors, ...(row()?.sensors ?? []).map((sensor) => sensor.sensor)])];
    // The order gives the colours, and the agent's own sensor needs none of the first.
    sensors.sort((one, other) => (one === "agent") - (other === "agent") || one.localeCompare(other));
    if (sensors.length === 0 && !row() && !about.said) { plots.message.replaceChildren(unknown(device)); return; }
    plots.show(sensors, wanted);
  };

  const drawSides = () => {
    sides.replaceChildren(said(about.said, about.commands), further(device, about.commands, range.write(wanted)));
    faultsKey = "";
    drawFaults();
  };

  let faultsKey = "";
  const drawFaults = () => {
    if (!plots.range) return;
    const [list, unset] = [plots.faults(), plots.unset()];
    // Marks move with the time, but not under somebody who reads them.
    const moved = list.length && wanted.last ? Math.floor(live.now() / (wanted.last / 100)) : 0;
    const key = JSON.stringify([list.length, list.at(-1), unset.length, wanted, moved]);
    if (key === faultsKey) return;
    const isRead = faults.contains(document.activeElement) || faults.querySelector("details")?.open;
    if (isRead && faultsKey && key.slice(0, key.lastIndexOf(",")) === faultsKey.slice(0, faultsKey.lastIndexOf(","))) return;
    faultsKey = key;
    faults.replaceChildren(...[strip(list, plots.bounds())].filter(Boolean));
    arrange(sides, [untimed(unset), ...sides.querySelectorAll("[aria-labelledby=said], [aria-labelledby=further]")].filter(Boolean));
  };

  const load = async () => {
    try {
      about = await ask("device", { device });
      trouble.replaceChildren();
      drawSides();
      showPlots();
    } catch (error) {
      trouble.replaceChildren(problem(error));
    }
  };

  const offs = [
    live.on("fleet", () => {
      if (live.fleet.problem && !about) warn(trouble, live.fleet.problem);
      else if (!about) load();
      drawHead();
      drawValues();
    }),
    live.on("readings", (readings) => {
      for (const reading of readings) {
        const units = (name, value) => [name, { value, unit: reading.units[name] }];
        const before = newest.get(reading.sensor);
        if (before && reading.is_timed && reading.at < before.at) continue;
        newest.set(reading.sensor, { at: reading.is_timed ? reading.at : null, fault: reading.fault, values: Object.fromEntries(Object.entries(reading.values).map(([name, value]) => units(name, value))) });
      }
      drawValues();
      plots.take(readings);
    }),
    live.on("again", () => { load(); plots.load(); }),
  ];
  live.watch(device);
  bar.show(wanted);
  drawHead();
  drawValues();
  load();
  const clock = setInterval(() => bar.show(wanted), 30_000);
  return {
    update(changed) {
      wanted = range.read(changed);
      bar.show(wanted);
      if (about) { drawSides(); showPlots(); }
    },
    stop() {
      for (const off of offs) off();
      clearInterval(clock);
      bar.stop();
      plots.stop();
    },
  };
};
