// A diner's phone: what was ordered, the menu, the cart, a call for service, the bill.

import { COURSE, dishes, itemsText, money } from "./course.js";
import { h } from "./dom.js";
import { button, perform } from "./pane.js";

const STEPS = [
  ["SUBMITTED", "Sent"],
  ["IN_KITCHEN", "In the kitchen"],
  ["READY", "Ready"],
  ["SERVED", "Served"],
];

const newId = (prefix) => `${prefix}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;

/** The phone at one table. `sit` is called when a new party takes it. */
export class Phone {
  #table;
  #sit;
  // What was sent from here. The table hears of a round when the kitchen begins with it.
  #sent = new Map();
  #calls = 0;

  constructor(table, sit) {
    this.#table = table;
    this.#sit = sit;
  }

  /** A new party begins. */
  reset() {
    this.#sent.clear();
    this.#calls = 0;
  }

  view = (viewer) => {
    const table = viewer.evening.tables.get(this.#table);
    if (table.isFree && table.left) return this.#goodbye();
    const rounds = this.#rounds(table);
    const total = rounds.reduce((sum, { state, total }) => sum + (state === "CANCELED" ? 0 : total), 0);
    return [
      h("div", { class: "rounds", "data-key": "rounds" }, rounds.map(progress)),
      h(
        "ul",
        { class: "menu", "data-key": "menu" },
        [...dishes.values()].map((dish) => this.#dish(dish, viewer.cart.get(dish.id) ?? 0)),
      ),
      h(
        "div",
        { class: "basket", "data-key": "basket" },
        button("order", this.#orderText(viewer.cart), {}, { class: "primary wide", disabled: viewer.cart.size === 0 }),
        button("call", this.#calls ? "Called" : "Call the waiter", {}, { class: "quiet" }),
        table.bill === undefined
          ? button("bill", "The bill", {}, { class: "quiet", disabled: total === 0 })
          : h(
              "span",
              { class: "chip", "data-state": table.bill === "PAID" ? "SERVED" : "BILL" },
              billText(table.bill, total),
            ),
      ),
    ];
  };

  act = async (viewer, data) => {
    const { session } = viewer;
    const base = { table: this.#table, session };
    const { action, dish } = data;
    switch (action) {
      case "sit":
        return this.#sit();
      case "add":
      case "remove":
        return viewer.act({ ...base, action, dish });
      case "order":
        return this.#order(viewer, base);
      case "call": {
        const done = await viewer.act({ ...base, action, call: newId("call") });
        if (done) {
          this.#calls += 1;
          viewer.note("the waiter was called");
          setTimeout(() => {
            this.#calls = Math.max(0, this.#calls - 1);
            viewer.dispatchEvent(new Event("change"));
          }, 4000);
        }
        return done;
      }
      case "bill": {
        const rounds = this.#rounds(viewer.evening.tables.get(this.#table));
        const amount = rounds.reduce((sum, { state, total }) => sum + (state === "CANCELED" ? 0 : total), 0);
        return viewer.act({ ...base, action, amount });
      }
      default:
        return perform(viewer, data);
    }
  };

  async #order(viewer, base) {
    const items = [...viewer.cart].map(([dish, quantity]) => ({ dish, quantity }));
    if (items.length === 0) return false;
    const total = items.reduce((sum, { dish, quantity }) => sum + dishes.get(dish).price * quantity, 0);
    const number = this.#rounds(viewer.evening.tables.get(this.#table)).length + 1;
    const round = { id: newId("r"), number, items, total };
    if (!(await viewer.act({ ...base, action: "order", round }))) return false;
    this.#sent.set(round.id, { ...round, state: "SUBMITTED" });
    viewer.note(`round ${number} was sent`);
    // Best effort, like the rest of the cart: what it shows is nobody's order.
    return viewer.act({ ...base, action: "empty" });
  }

  #rounds(table) {
    return [...new Map([...this.#sent, ...table.rounds]).values()].sort((a, b) => a.number - b.number);
  }

  #dish({ id, name, about, price }, quantity) {
    return h(
      "li",
      { "data-key": id },
      h("span", { class: "dish" }, h("b", {}, name), h("small", {}, about)),
      h("span", { class: "price" }, money(price)),
      h(
        "span",
        { class: "steps" },
        quantity > 0 &&
          button("remove", "−", { dish: id, key: "less" }, { "aria-label": `One ${name} less`, class: "round" }),
        quantity > 0 && h("output", { "data-key": "quantity" }, String(quantity)),
        button("add", "+", { dish: id, key: "more" }, { "aria-label": `Add ${name}`, class: "round" }),
      ),
    );
  }

  #orderText(cart) {
    if (cart.size === 0) return "Choose from the menu";
    const total = [...cart].reduce((sum, [dish, quantity]) => sum + (dishes.get(dish)?.price ?? 0) * quantity, 0);
    return `Order · ${money(total)}`;
  }

  #goodbye() {
    return [
      h(
        "div",
        { class: "goodbye", "data-key": "goodbye" },
        h("p", {}, h("b", {}, "Thank you, and good night.")),
        h("p", { class: "calm" }, "The table is free again. This phone’s token is good for its own party alone."),
        button("sit", "New guests sit down", {}, { class: "primary" }),
      ),
    ];
  }
}

function billText(bill, total) {
  return `${bill === "PAID" ? "Paid" : "Bill"} ${money(total)}`;
}

function progress(round) {
  const at = COURSE.indexOf(round.state);
  const canceled = round.state === "CANCELED";
  return h(
    "article",
    { class: "progress", "data-key": round.id, "data-state": round.state, "aria-label": `Round ${round.number}` },
    h("p", {}, h("b", {}, `Round ${round.number}`), ` ${itemsText(round.items)}`),
    canceled
      ? h("span", { class: "chip", "data-state": "CANCELED" }, "Canceled")
      : h(
          "ol",
          {},
          STEPS.map(([state, label]) =>
            h(
              "li",
              {
                "data-done": at >= COURSE.indexOf(state),
                "aria-current": round.state === state ? "step" : null,
                "data-state": state,
              },
              label,
            ),
          ),
        ),
  );
}
