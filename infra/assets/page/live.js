// What comes in by itself: one stream for the page, over the fleet and one device. It also owns what is known
// of the fleet, and how far this machine's clock is from the server's.

import { say } from "./dom.js";

/** What is known of the fleet. */
export const fleet = { rows: new Map(), whole: {}, known: false, problem: null };

const listeners = { fleet: new Set(), readings: new Set(), again: new Set() };
let stream = null;
let watched = null;
let ahead = 0;
let heard = 0;
let begun = false;

/** Now, by the server's clock. */
export const now = () => Date.now() + ahead;

/** Calls for news of a kind until what it returns is called. */
export const on = (kind, call) => {
  listeners[kind].add(call);
  return () => listeners[kind].delete(call);
};

const tell = (kind, data) => { for (const call of listeners[kind]) call(data); };

const state = (is, text) => {
  const element = document.getElementById("state");
  element.dataset.is = is;
  say(element, text);
};

const take = (data) => {
  ahead = data.now - Date.now();
  heard = Date.now();
  // A stream begins with all that there is: what it does not name is gone.
  if (begun) fleet.rows.clear();
  begun = false;
  for (const row of data.changed) fleet.rows.set(row.device, row);
  for (const device of data.gone) fleet.rows.delete(device);
  Object.assign(fleet, { whole: data.whole, known: true, problem: null });
  state("live", "live");
  tell("fleet", data.changed.map((row) => row.device));
};

const open = () => {
  stream?.close();
  stream = new EventSource(watched ? `/api/live?device=${encodeURIComponent(watched)}` : "/api/live");
  let opened = 0;
  stream.onopen = () => {
    opened += 1;
    begun = true;
    // What came during a break was not told.
    if (opened > 1) tell("again");
  };
  stream.addEventListener("fleet", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("readings", (event) => tell("readings", JSON.parse(event.data)));
  stream.addEventListener("again", () => tell("again"));
  stream.addEventListener("trouble", (event) => {
    fleet.problem = JSON.parse(event.data);
    state("lost", "tables cannot be read");
    tell("fleet", []);
  });
  stream.onerror = () => state("lost", "connection lost, trying again…");
};

/** Hears of one device's readings too, or of none. */
export const watch = (device) => {
  if (stream && device === watched) return;
  watched = device;
  open();
};

// A page that nobody sees costs nothing: it is brought up to date when it is seen again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { stream?.close(); stream = null; state("idle", "paused"); }
  else if (!stream) { open(); tell("again"); }
});

// Browsers give up on a stream whose server was away for long; then it is opened anew.
setInterval(() => {
  if (stream?.readyState === EventSource.CLOSED) { open(); tell("again"); }
  if (stream && heard && Date.now() - heard > 30_000) state("lost", "nothing heard for 30 s…");
}, 5000);
