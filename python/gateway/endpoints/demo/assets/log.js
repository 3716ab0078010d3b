// What one client was sent, newest last.

import { h } from "./dom.js";

const KEPT = 60;
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export class Log {
  element;
  #list;
  // Whoever has scrolled up reads: the newest must not pull them away.
  #atEnd = true;

  constructor(name) {
    const list = h("ol", { class: "events", "aria-label": `Events of ${name}`, tabindex: "0" });
    this.#list = list;
    list.addEventListener("scroll", () => {
      this.#atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    });
    new ResizeObserver(() => this.#follow()).observe(list);
    this.element = h("div", { class: "log" }, this.#list);
  }

  event({ event, missed, after }) {
    const critical = event.event_id !== undefined;
    const [, state = ""] = event.type.match(/^ROUND_(.+)$/) ?? [];
    this.#add(
      h(
        "li",
        { class: missed ? "missed" : null, "data-state": state || "OTHER", title: event.event_id ?? "best effort" },
        h("i", { class: "mark", "aria-hidden": "true" }),
        h("code", {}, event.type),
        event.table && h("span", { class: "where" }, `T${event.table}`),
        missed && h("b", {}, "missed"),
        !missed && !critical && h("span", { class: "how" }, "best effort"),
        !missed &&
          critical &&
          Number.isFinite(after) &&
          h("span", { class: "how" }, after < 1 ? "< 1 ms" : `${after} ms`),
      ),
    );
  }

  note(words) {
    this.#add(h("li", { class: "note" }, h("time", {}, TIME.format(new Date())), ` ${words}`));
  }

  #add(entry) {
    this.#list.append(entry);
    while (this.#list.children.length > KEPT) this.#list.firstChild.remove();
    this.#follow();
  }

  #follow() {
    if (this.#atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
