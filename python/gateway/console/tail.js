// The live tail: a bounded list of events, the newest first, with a filter and a pause.

import { byId, el, pill, row, say } from "./dom.js";
import { filterOf, matches } from "./filter.js";
import { bytes, moment, number, pretty } from "./format.js";

const KEPT = 200;
const TYPES_KEPT = 100;
const TYPING = 250;

export class Tail {
  #link;
  #form = byId("tail-filter");
  #body = byId("tail");
  #paused = false;
  #types = new Set();
  #filter;
  #seen = 0;
  #skipped = 0;

  constructor(link) {
    this.#link = link;
    this.#filter = filterOf(this.#form);
    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#ask(), TYPING);
    };
    this.#form.addEventListener("input", later);
    this.#form.addEventListener("reset", later); // the fields are empty after this turn
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    byId("tail-pause").addEventListener("click", () => this.#pause());
    byId("tail-clear").addEventListener("click", () => {
      this.#body.replaceChildren();
      this.#count();
    });
    link.addEventListener("welcome", () => this.#ask());
    link.addEventListener("events", ({ detail }) => this.#add(detail));
  }

  /** Show one room's events alone. */
  watch(tenant, branch) {
    this.#form.elements.tenant.value = tenant;
    this.#form.elements.branch.value = branch;
    if (this.#paused) this.#pause();
    else this.#ask();
    byId("events").scrollIntoView();
    byId("tail-scroll").focus();
  }

  #ask() {
    this.#filter = filterOf(this.#form);
    for (const found of [...this.#body.querySelectorAll("tr[data-event]")]) this.#sift(found);
    this.#link.send(this.#paused ? { type: "tail", on: false } : { type: "tail", on: true, filter: this.#filter });
    this.#count();
  }

  #sift(found) {
    const fits = matches(this.#filter, JSON.parse(found.dataset.event));
    found.hidden = !fits;
    if (found.nextElementSibling?.classList.contains("detail")) found.nextElementSibling.hidden = !fits;
  }

  #pause() {
    this.#paused = !this.#paused;
    const button = byId("tail-pause");
    button.setAttribute("aria-pressed", String(this.#paused));
    say(button, this.#paused ? "Go on" : "Pause");
    this.#ask();
  }

  #add({ events, seen, skipped }) {
    if (this.#paused) return; // one that was on its way
    this.#seen = seen;
    this.#skipped = skipped;
    for (const event of events) this.#learn(event.type);
    // Asked before the change: at the top one sees what comes; further down the list stands still.
    const scroll = byId("tail-scroll");
    const before = scroll.scrollTop > 0 ? scroll.scrollHeight : 0;
    this.#body.prepend(...events.reverse().map((event) => this.#row(event)));
    // An open row whose detail went goes with it.
    while (this.#body.childElementCount > KEPT || this.#body.lastElementChild?.classList.contains("open")) {
      this.#body.lastElementChild.remove();
    }
    if (before) scroll.scrollTop += scroll.scrollHeight - before;
    this.#count();
  }

  #row(event) {
    const name = el("button", { type: "button", "aria-expanded": "false", title: event.type }, event.type || "?");
    const made = row(
      [
        ["", el("time", { class: "mono" }, moment(event.at)), "nowrap"],
        ["", el("div", { class: "kind" }, name, event.critical ? pill("critical", "warn") : null, event.accepted ? null : pill("queue full", "bad"))],
        ["Room", `${event.tenant} / ${event.branch}`],
        ["Goes to", el("span", { title: event.audiences.join(", ") }, event.audiences.join(", "))],
        ["", el("code", { class: "event-text" }, summary(event.event)), "json"],
      ],
      { data: { event: JSON.stringify(event) } },
    );
    name.addEventListener("click", () => toggle(made, name, event));
    if (!matches(this.#filter, event)) made.hidden = true;
    return made;
  }

  /** Types that came by are offered in the forms. */
  #learn(type) {
    if (this.#types.has(type) || this.#types.size >= TYPES_KEPT) return;
    this.#types.add(type);
    byId("event-types").append(el("option", { value: type }));
  }

  #count() {
    const rows = this.#body.childElementCount;
    byId("tail-empty").hidden = rows > 0;
    const parts = [this.#paused ? "paused" : `${number(this.#seen)} came by`];
    if (this.#skipped) parts.push(`${number(this.#skipped)} not looked at: too many at a time`);
    say(byId("tail-count"), parts.join(", "));
  }
}

/** The members that the other columns do not show, on one line. */
function summary(text) {
  try {
    const { type: _type, tenant_id: _tenant, branch_id: _branch, ...rest } = JSON.parse(text);
    return Object.entries(rest).map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");
  } catch {
    return text; // cut off
  }
}

function toggle(made, button, event) {
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  made.classList.toggle("open", !open);
  if (open) {
    made.nextElementSibling.remove();
    return;
  }
  const facts = [
    `goes to ${event.audiences.join(", ")}`,
    event.position && `position ${event.position}`,
    event.size && `cut: the event has ${bytes(event.size)}`,
  ].filter(Boolean);
  made.after(
    el(
      "tr",
      { class: "detail", role: "row" },
      el("td", { colspan: "5", role: "cell" }, el("p", { class: "soft" }, facts.join(" · ")), el("pre", {}, pretty(event.event))),
    ),
  );
}
