// Elements, and how a tree of them becomes another without losing focus, scroll or animations.

/** An element. An attribute that is false, null or undefined is left out; of children, too. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(2).filter((child) => child !== false && child !== null && child !== undefined));
  return element;
}

/** Makes the children of `parent` what is wanted, and keeps what is there: by `data-key`, else by place. */
export function morph(parent, wanted) {
  const keys = new Set(wanted.map(keyOf).filter(Boolean));
  for (const child of [...parent.childNodes]) {
    // Removed first: whoever is moved instead would lose the focus.
    if (keyOf(child) && !keys.has(keyOf(child))) child.remove();
  }
  const kept = new Map([...parent.childNodes].filter(keyOf).map((child) => [keyOf(child), child]));
  let place = parent.firstChild;
  for (const want of wanted) {
    const have = keyOf(want) ? kept.get(keyOf(want)) : keyOf(place) ? undefined : place;
    if (have && have.nodeName === want.nodeName) {
      if (have === place) place = place.nextSibling;
      else parent.insertBefore(have, place);
      become(have, want);
    } else {
      parent.insertBefore(want, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(node) {
  return node?.dataset?.key;
}

function become(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
    return;
  }
  for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
  for (const { name, value } of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  morph(have, [...want.childNodes]);
}
