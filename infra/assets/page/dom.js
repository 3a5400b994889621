// Elements. Text goes in as text and never as HTML: readings, names and payloads are other people's.

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

/** An element with attributes (`on…` are listeners) and children; what is null is left out. */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Sets a text, where it is another: what has not changed is not read out again. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** Puts these elements, in this order, in place of what is there, and moves none that stands right already:
 * one that has the focus keeps it. */
export const arrange = (parent, elements) => {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const focus = document.activeElement;
  elements.forEach((element, index) => {
    const there = parent.children[index];
    if (there === element) return;
    parent.insertBefore(element, there ?? null);
  });
  if (focus && focus !== document.activeElement && parent.contains(focus)) focus.focus({ preventScroll: true });
};

/** Reads something out to who does not see the page. */
export const announce = (text) => {
  document.getElementById("news").textContent = text;
};

/** A command with a button that copies it. */
export const command = (text, label) => {
  const button = h("button", { type: "button", "aria-label": `Copy: ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      announce("Copied");
    } catch {
      // Where the browser does not let us, it can be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const code = h("code", {}, text);
  return h("div", { class: "command" }, code, button);
};

/** What went wrong, and what to do. */
export const problem = ({ error, advice }) =>
  h("section", { class: "problem", role: "alert" }, h("h2", {}, advice ? "This could not be read" : "Something is wrong"),
    h("p", {}, advice ?? ""), h("p", { class: "small" }, h("code", {}, error)));

/** Says at a place that something is wrong, or nothing: once, and not again with each look, for it is read out. */
export const warn = (place, error) => {
  const key = error ? JSON.stringify([error.error, error.advice]) : "";
  if (key === (place.dataset.problem ?? "") && Boolean(error) === Boolean(place.firstChild)) return;
  place.dataset.problem = key;
  place.replaceChildren(...(error ? [problem(error)] : []));
};
