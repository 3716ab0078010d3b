// One client on the page: its name, its connection, what it shows, and what it was sent.

import { h, morph } from "./dom.js";
import { Log } from "./log.js";

const CUT_SECONDS = 20;

const STATES = {
  open: "online",
  connecting: "connecting",
  waiting: "reconnecting",
  closed: "closed",
  idle: "not connected",
};

/**
 * `view(viewer)` gives what is shown; `act(viewer, dataset)` does what a button with `data-action` says.
 * `announce(words)` reads aloud.
 */
export class Pane {
  element;
  viewer;
  #name;
  #view;
  #announce;
  #body;
  #bar;
  #log;
  #link;
  #due = false;
  #ears = new AbortController();

  constructor({ id, name, about, kind, view, act, announce }) {
    this.id = id;
    this.#name = name;
    this.#view = view;
    this.#announce = announce;
    this.#bar = h("div", { class: "link" });
    this.#body = h("div", { class: "body" });
    this.#log = new Log(name);
    this.#link = h("a", { href: `#${id}` });
    this.element = h(
      "section",
      { id, class: `pane ${kind}`, "aria-labelledby": `${id}-name`, tabindex: "-1" },
      h("header", {}, h("div", { class: "who" }, h("h2", { id: `${id}-name` }, name), h("p", {}, about)), this.#bar),
      this.#body,
      this.#log.element,
    );
    this.element.addEventListener("click", ({ target }) => {
      const button = target.closest("button[data-action]");
      if (button === null || this.viewer === undefined) return;
      if (button.dataset.action === "cut") this.viewer.line.cut(CUT_SECONDS);
      else if (button.dataset.action === "restore") this.viewer.line.restore();
      else if (button.dataset.action === "reconnect") this.viewer.connect();
      else act(this.viewer, button.dataset);
    });
    setInterval(() => this.viewer?.line.isCut && this.show(), 250);
  }

  /** Where the list of connections leads here. */
  get entry() {
    return h("li", {}, this.#link);
  }

  /** Shows a client from now on; the one before has been closed. */
  attach(viewer) {
    this.#ears.abort();
    this.#ears = new AbortController();
    const { signal } = this.#ears;
    this.viewer = viewer;
    viewer.addEventListener("change", () => this.show(), { signal });
    viewer.addEventListener("event", ({ detail }) => this.#log.event(detail), { signal });
    viewer.addEventListener(
      "note",
      ({ detail }) => {
        this.#log.note(detail);
        this.#announce(`${this.#name}: ${detail}`);
      },
      { signal },
    );
    this.show();
  }

  /** Soon, and once for many changes. */
  show() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      const [status, words] = this.#status();
      this.element.dataset.status = status;
      morph(this.#bar, this.#linkBar(status, words));
      morph(this.#link, [
        h("i", { class: "dot", "data-status": status, "aria-hidden": "true" }),
        h("span", {}, this.#name.replace("Table ", "T")),
        h("span", { class: "unseen" }, ` ${words}`),
      ]);
      const focused = this.#body.contains(document.activeElement);
      morph(this.#body, [this.#absence(), ...this.#view(this.viewer)].filter(Boolean));
      // What had the focus is gone: whoever uses the keyboard goes on in this pane, and not at the top of the page.
      if (focused && !this.#body.contains(document.activeElement)) this.element.focus({ preventScroll: true });
    });
  }

  #status() {
    const { line, state, gaveUp } = this.viewer;
    if (line.isCut) return ["cut", `no network · ${line.left} s`];
    if (gaveUp !== undefined) return ["closed", `closed · ${gaveUp}`];
    return [state, STATES[state]];
  }

  #linkBar(status, words) {
    const button = (action, label) =>
      h("button", { type: "button", class: "quiet", "data-action": action, "data-key": "link" }, label);
    return [
      h("span", { class: "status", "data-status": status }, h("i", { class: "dot", "aria-hidden": "true" }), words),
      status === "cut" && button("restore", "Restore"),
      status === "closed" && button("reconnect", "Reconnect"),
      status !== "cut" && status !== "closed" && button("cut", "Cut network"),
    ].filter(Boolean);
  }

  #absence() {
    const { line, absence } = this.viewer;
    if (absence === undefined || line.isCut) return null;
    const { seconds, missed, inOrder, stale } = absence;
    const many = missed === 1 ? "1 missed event" : `${missed} missed events`;
    const cost = () => {
      if (stale) return "It was too late to resume: the state was fetched anew.";
      if (missed === 0) return "Nothing critical was missed.";
      return `${many} delivered, ${inOrder ? "in order" : "out of order"}.`;
    };
    return h(
      "p",
      { class: "absence", "data-key": "absence" },
      h("b", {}, `Back after ${seconds.toFixed(1)} s. `),
      cost(),
    );
  }
}

/** A button of a view. `data` are the things that it is about. */
export function button(action, label, data = {}, attributes = {}) {
  const about = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return h("button", { type: "button", "data-action": action, ...about, ...attributes }, label);
}

/** What there is to do about a round, a call, a bill: in one place for every view. */
export function perform(viewer, { action, table: number, round: id, call }) {
  const table = viewer.evening.tables.get(Number(number));
  const { session } = table;
  const what = { action, table: table.number, session };
  const round = table.rounds.get(id);
  if (round) what.round = { id: round.id, number: round.number, items: round.items, total: round.total };
  if (call) what.call = call;
  if (action === "pay" || action === "bill") what.amount = table.total;
  return viewer.act(what);
}
