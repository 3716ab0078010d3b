// Making and changing elements. Text is only ever set as text, never parsed as HTML.

/** The element with this id; the page's own HTML has it. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found;
}

/** A new element: attributes, listeners (`onclick`), `data` and children, which may be text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** A row of cells, each `[label, content, class]`; the label is shown where a narrow screen has no head. */
export function row(cells, attributes = {}) {
  return el(
    "tr",
    { role: "row", ...attributes },
    cells.map(([label, content, className = ""]) =>
      el("td", { role: "cell", class: className, data: label ? { label } : {} }, content),
    ),
  );
}

/** Set text only where it differs, so that nothing is announced or laid out anew for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A pill with a mood: `good`, `warn`, `bad` or none. */
export function pill(text, mood = "") {
  return el("span", { class: "state", data: mood ? { mood } : {} }, text);
}

/** Replace all rows, and give the focus back to the button that had it (`data-focus` names it). */
export function fill(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  body.replaceChildren(...rows);
  if (focused === undefined) return;
  const again = [...body.querySelectorAll("[data-focus]")].find((found) => found.dataset.focus === focused);
  // Gone with its row: the list itself, so that the keyboard does not begin at the top of the page.
  (again ?? body.closest("[tabindex]"))?.focus();
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value !== "" && value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
}
