// Short sentences in the corner, which a screen reader says too.

import { byId, el } from "./dom.js";

const SECONDS = 8;

export function notice(text) {
  const made = el("p", {}, text);
  byId("notices").append(made);
  setTimeout(() => made.remove(), SECONDS * 1000);
}
