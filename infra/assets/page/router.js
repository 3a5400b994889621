// Which view an address shows. Everything that a view shows stands in its address, so that a link is enough.

let show = () => {};

/** The address without what is empty. */
export const link = (path, parameters = {}) => {
  const known = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(known).toString().replaceAll("%3A", ":");
  return query ? `${path}?${query}` : path;
};

/** Goes to an address. `replace` where going back should not come here again. */
export const go = (address, { replace = false } = {}) => {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  show();
};

/** Calls at once, and whenever the address changes. */
export const start = (call) => {
  show = () => call(new URL(location.href));
  addEventListener("popstate", show);
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[href]");
    const ours = anchor && anchor.origin === location.origin && !anchor.target && !anchor.getAttribute("href").startsWith("#");
    if (!ours || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(anchor.href);
  });
  show();
};
