// Table of contents: which view is where, and what all of them have around them.

import { h, say } from "./dom.js";
import { span } from "./format.js";
import { head } from "./head.js";
import * as live from "./live.js";
import * as router from "./router.js";
import { show as fleet } from "./fleet.js";
import { show as device } from "./device.js";
import { show as quarantine } from "./quarantine.js";
import { show as path } from "./path.js";

const VIEWS = [
  [/^\/$/, fleet, () => "Fleet"],
  [/^\/device\/([^/]+)$/, device, (name) => name],
  [/^\/quarantine$/, quarantine, () => "Quarantine"],
  [/^\/path$/, path, () => "Path"],
];

const main = document.getElementById("main");
let shown = { path: null, view: null };

const nowhere = (root) => {
  root.replaceChildren(h("div", { class: "empty" }, h("h1", {}, "Nothing is here"), h("p", {}, h("a", { href: "/" }, "To the fleet"))));
  live.watch(null);
  return { update() {}, stop() {} };
};

router.start((url) => {
  if (shown.path === url.pathname) {
    shown.view.update(url.searchParams);
    return;
  }
  const first = shown.path === null;
  shown.view?.stop();
  const found = VIEWS.map(([pattern, view, title]) => [pattern.exec(url.pathname), view, title]).find(([match]) => match);
  const name = found?.[0][1] ? decodeURIComponent(found[0][1]) : undefined;
  document.title = `${found ? found[2](name) : "Nothing"} – Tidings`;
  for (const anchor of document.querySelectorAll("#head nav a")) {
    const is = anchor.pathname === url.pathname;
    if (is) anchor.setAttribute("aria-current", "page"); else anchor.removeAttribute("aria-current");
  }
  shown = { path: url.pathname, view: (found?.[1] ?? nowhere)(main, url.searchParams, name) };
  // Who came by a link goes on reading in the new view.
  if (!first) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
});

live.on("fleet", head);

// Ages grow without news.
setInterval(() => {
  const now = live.now();
  for (const element of document.querySelectorAll("[data-since]")) say(element, `${span(now - Number(element.dataset.since))}${element.dataset.ago ?? ""}`);
}, 1000);
