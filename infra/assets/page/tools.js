// The time that is shown: presets, and nearer, farther, earlier, later, by buttons and keys.

import { h, say } from "./dom.js";
import { between, zone } from "./format.js";
import * as live from "./live.js";
import * as range from "./range.js";
import { link } from "./router.js";

/** What a key does to the time. */
const KEYS = {
  ArrowLeft: (shown, now) => range.pan(shown, -0.5, now),
  ArrowRight: (shown, now) => range.pan(shown, 0.5, now),
  "+": (shown, now) => range.zoom(shown, 0.5, now),
  "=": (shown, now) => range.zoom(shown, 0.5, now),
  "-": (shown, now) => range.zoom(shown, 2, now),
  0: () => range.read(new URLSearchParams()),
};

/** `goTo` takes a range; `path` is the address without it. */
export const tools = (path, goTo) => {
  let shown = null;
  const presets = range.PRESETS.map(([text, short, long]) => {
    const element = h("a", { class: "button", href: link(path, { last: text }), "aria-label": `the last ${long}` }, short);
    return { last: range.read(new URLSearchParams({ last: text })).last, element };
  });
  const act = (key) => { if (shown) goTo(KEYS[key](shown, live.now())); };
  const button = (key, sign, label) => h("button", { type: "button", "aria-label": label, title: `${label} (${key === "ArrowLeft" ? "←" : key === "ArrowRight" ? "→" : key})`, onclick: () => act(key) }, sign);
  const later = button("ArrowRight", "→", "later");
  const text = h("p", { class: "range" });
  const element = h("div", { class: "tools", role: "toolbar", "aria-label": "Time" },
    h("div", { class: "group" }, ...presets.map((preset) => preset.element)),
    h("div", { class: "group" }, button("ArrowLeft", "←", "earlier"), later),
    h("div", { class: "group" }, button("+", "+", "nearer"), button("-", "−", "farther"), button("0", "0", "back to the last 24 hours")),
    text);

  const onKey = (event) => {
    const within = event.target.closest?.("input, select, textarea, [role=region], summary");
    if (within || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    act(event.key);
  };
  document.addEventListener("keydown", onKey);

  return {
    element,
    show(wanted) {
      shown = wanted;
      for (const preset of presets) {
        if (preset.last === wanted.last) preset.element.setAttribute("aria-current", "true"); else preset.element.removeAttribute("aria-current");
      }
      later.disabled = Boolean(wanted.last);
      say(text, `${between(...range.bounds(wanted, live.now()))} (${zone()})${wanted.last ? ", live" : ""}`);
    },
    stop: () => document.removeEventListener("keydown", onKey),
  };
};
