// What stands above and below every view: alerts that are raised, and where the data is. It also says aloud
// what became of a device.

import { announce, h, say } from "./dom.js";
import { fleet } from "./live.js";

let states = null;

const alerts = () => [...fleet.rows.values()].flatMap((row) => row.alerts.map((alert) => ({ device: row.device, ...alert })));

/** Brings it up to date. */
export const head = () => {
  const raised = alerts();
  const place = document.getElementById("alerts");
  const text = raised.length === 0 ? "no alerts" : raised.length === 1 ? `${raised[0].device}: ${raised[0].name}` : `${raised.length} alerts raised`;
  if (place.textContent !== (raised.length ? `▲ ${text}` : text)) {
    const link = raised.length === 1 ? `/device/${encodeURIComponent(raised[0].device)}` : "/?show=alert";
    place.replaceChildren(raised.length ? h("a", { class: "badge alert", href: link }, h("span", { "aria-hidden": "true" }, "▲ "), text) : h("span", { class: "quiet" }, text));
  }
  say(document.getElementById("place"), fleet.whole.place ? `From ${fleet.whole.place}. Read only.` : "");
  const before = states;
  states = new Map([...fleet.rows.values()].map((row) => [row.device, row.state]));
  if (!before) return;
  const changed = [...states].filter(([device, state]) => before.has(device) && before.get(device) !== state);
  const words = { alert: "has an alert", silent: "is silent", trouble: "is in trouble", well: "is well again" };
  if (changed.length) announce(changed.slice(0, 5).map(([device, state]) => `${device} ${words[state]}`).join(", "));
};
