// The kitchen's board: what is to be cooked, what is on the fire, what waits for a waiter.

import { dishes, NEXT } from "./course.js";
import { h } from "./dom.js";
import { button } from "./pane.js";

const COLUMNS = { SUBMITTED: "New", IN_KITCHEN: "On the fire", READY: "At the pass" };

export function board({ evening }) {
  const { rounds } = evening;
  return [
    h(
      "div",
      { class: "board" },
      Object.entries(COLUMNS).map(([state, title]) => {
        const here = rounds.filter((round) => round.state === state);
        return h(
          "section",
          { "data-key": state, "data-state": state, "aria-label": title },
          h("h3", {}, title, h("span", { class: "count" }, String(here.length))),
          h("ol", {}, here.map(ticket)),
          here.length === 0 && h("p", { class: "calm" }, "Nothing."),
        );
      }),
    ),
  ];
}

function ticket(round) {
  const next = NEXT[round.state];
  return h(
    "li",
    { class: "ticket", "data-key": round.id, "data-state": round.state, "data-table": round.table },
    h("h4", {}, `Table ${round.table}`, h("small", {}, `round ${round.number}`)),
    h(
      "ul",
      {},
      round.items.map(({ dish, quantity }) =>
        h("li", {}, h("b", {}, `${quantity}×`), ` ${dishes.get(dish)?.name ?? dish}`),
      ),
    ),
    next.by === "kitchen" &&
      button(next.action, next.label, { table: round.table, round: round.id }, { class: "wide" }),
    next.by !== "kitchen" && h("p", { class: "calm" }, "waits for its waiter"),
  );
}
