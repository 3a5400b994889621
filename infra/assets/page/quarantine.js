// What was refused, newest first: why, what it said, and how to send it again.

import { ask } from "./ask.js";
import { command, h, problem, say } from "./dom.js";
import { count, moment, span } from "./format.js";
import * as live from "./live.js";
import { go, link } from "./router.js";

/** Reasons as the function names them, and what the device, or its operator, did. */
const REASONS = {
  "unrecognised-payload": "in no known form", "malformed-message": "not as its form wants it", "malformed-row": "a row that is wrong",
  "empty-message": "without a reading", "no-quantities": "without a quantity", "not-understood": "with fields that may mean two things",
  "too-many-records": "too many records", "unsupported-version": "a newer wire than the function knows", "identity-mismatch": "sent for another device than it is",
  "bad-id": "a name that is none", "unnamed-quantity": "a quantity without a name", "bad-quantities": "too many quantities, or one twice",
  "conflicting-duplicate": "two values for one reading", "unknown-unit": "a unit that no registry has", "wrong-unit": "a unit that the quantity is not measured in",
  "bad-value": "a value that is none", "unsupported-value": "a value that is no number", "out-of-range": "a value that no sensor can give",
  "out-of-device-range": "a value outside of the ranges that you gave", "time-in-future": "from the future", "time-before-2020": "from before 2020",
  "uptime-too-long": "of an unset clock, with a time that is real", "too-old": "too old", "bad-time": "a time that is none", "bad-clock": "a clock that is none", "item-too-large": "too large for an item",
};

const read = (query) => ({ reason: query.get("reason") ?? "", device: query.get("device") ?? "", before: query.get("before") ?? "" });
const address = (wish) => link("/quarantine", wish);

const one = (refused) => {
  const device = refused.device ?? refused.client_id;
  const facts = [["topic", refused.topic], ["client", refused.client_id], ["sensor", refused.sensor], ["trace id", refused.trace_id], ["payload", `${count(refused.payload.bytes)} bytes, ${{ json: "JSON", text: "text", hex: "not text: in hex" }[refused.payload.form]}`]];
  return h("article", { class: "card" },
    h("header", {},
      h("h2", {}, h("time", { datetime: new Date(refused.received_at).toISOString(), title: new Date(refused.received_at).toISOString() }, moment(refused.received_at))),
      h("a", { class: "badge warn", href: link("/quarantine", { reason: refused.reason }), title: `Only ${refused.reason}` }, refused.reason),
      h("a", { href: `/device/${encodeURIComponent(device)}` }, device),
      h("span", { class: "quiet small" }, h("span", { "data-since": refused.received_at, "data-ago": " ago" }, `${span(live.now() - refused.received_at)} ago`)),
      refused.replayed_at && h("span", { class: "badge" }, `replayed ${moment(refused.replayed_at)}`)),
    h("p", { class: "detail" }, refused.detail || REASONS[refused.reason] || ""),
    h("details", {}, h("summary", {}, "What it said, and how to send it again"),
      h("dl", { class: "facts small" }, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("pre", { tabindex: "0", role: "group", "aria-label": "Payload" }, refused.payload.text, refused.payload.cut ? "\n… cut here" : ""),
      h("p", { class: "small" }, "See first what a replay would do, then replay. ", h("code", {}, "--map"), " gives a quantity or a unit another name."),
      command(refused.try_it, "what a replay would do"), command(refused.replay, "replay")));
};

const empty = (wish, older) => {
  const filtered = wish.reason || wish.device;
  const title = older || wish.before ? "Nothing more so far" : filtered ? "Nothing like that was refused" : "Nothing was refused";
  const all = h("a", { href: "/quarantine" }, "All that was refused in the last 30 days");
  if (older) return h("div", { class: "empty card" }, h("h2", {}, title), h("p", {}, `Nothing like that was refused since ${moment(older.at)}; there is older.`));
  if (filtered || wish.before) return h("div", { class: "empty card" }, h("h2", {}, title), h("p", {}, all));
  return h("div", { class: "empty card" }, h("h2", {}, title),
    h("p", {}, "Every message of the last 30 days was understood. A reading that is missing is somewhere else: ", h("a", { href: "/path" }, "see the path"), "."));
};

export const show = (root, query) => {
  let wish = read(query);
  let giveUp = null;
  const known = new Set(Object.keys(REASONS));
  const reason = h("select", { onchange: () => go(address({ reason: reason.value, device: device.value })) });
  const device = h("input", { type: "search", placeholder: "all devices", autocomplete: "off", onchange: () => go(address({ reason: reason.value, device: device.value.trim() })) });
  const status = h("p", { class: "quiet small push", role: "status" });
  const list = h("div", { class: "refused" });
  const pages = h("p", {});
  root.replaceChildren(h("div", { class: "title" }, h("h1", {}, "Quarantine"), h("p", { class: "quiet" }, "what was refused, whole; kept for 30 days")),
    h("div", { class: "bar" }, h("label", {}, "Reason", reason), h("label", {}, "Device", device), status), list, pages);

  const load = async () => {
    giveUp?.abort();
    giveUp = new AbortController();
    if (wish.reason) known.add(wish.reason);
    reason.replaceChildren(h("option", { value: "" }, "all reasons"), ...[...known].sort().map((name) => h("option", { value: name }, `${name}${REASONS[name] ? ` – ${REASONS[name]}` : ""}`)));
    reason.value = wish.reason;
    device.value = wish.device;
    root.setAttribute("aria-busy", "true");
    try {
      const page = await ask("quarantine", wish, giveUp.signal);
      list.replaceChildren(...(page.list.length ? page.list.map(one) : [empty(wish, page.older)]));
      say(status, page.list.length ? `${wish.before ? "older, " : ""}${page.list.length} shown${page.older ? ", there may be more" : ", that is all"}` : "");
      pages.replaceChildren(...[
        wish.before && h("a", { class: "button", href: address({ ...wish, before: "" }) }, "Newest"), " ",
        page.older && h("a", { class: "button", href: address({ ...wish, before: page.older.before }) }, `Older than ${moment(page.older.at)}`)].filter(Boolean));
    } catch (error) {
      if (error.name === "AbortError") return;
      list.replaceChildren(problem(error));
      pages.replaceChildren();
    }
    root.removeAttribute("aria-busy");
  };

  // New ones are told of, and not put in: what is being read stays where it is.
  let counted = null;
  const off = live.on("fleet", () => {
    const now = live.fleet.whole.quarantined_hour;
    if (counted !== null && now > counted && !wish.before) say(status, "more was refused meanwhile: reload to see it");
    counted = now;
  });
  live.watch(null);
  load();
  return {
    update: (changed) => { wish = read(changed); load(); scrollTo(0, 0); },
    stop: () => { off(); giveUp?.abort(); root.removeAttribute("aria-busy"); },
  };
};
