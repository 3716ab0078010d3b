// The manager's view: the evening in numbers, every open order, and what a flood of best-effort events does.

import { itemsText, money, NAMES } from "./course.js";
import { h } from "./dom.js";
import { button } from "./pane.js";

// What is on the fire already is eaten, or paid for.
const CANCELABLE = ["PENDING", "CONFIRMED", "SUBMITTED"];

export function overview(viewer) {
  const { evening } = viewer;
  const tables = [...evening.tables.values()];
  const seated = tables.filter((table) => !table.isFree);
  const rounds = evening.rounds.filter(({ state }) => state !== "SERVED" && state !== "CANCELED");
  const calling = seated.flatMap(({ calls }) => [...calls.values()]).filter(({ state }) => state !== "CLOSED");
  return [
    h(
      "dl",
      { class: "figures" },
      figure("Tables", `${seated.length} of ${tables.length}`),
      figure("Open orders", String(rounds.length)),
      figure("Calls", String(calling.length)),
      figure("Takings", money(evening.takings)),
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Open orders" },
      rounds.length === 0
        ? h("p", { class: "calm" }, "No open orders.")
        : h("ul", { class: "orders" }, rounds.map(order)),
    ),
    flood(viewer),
  ];
}

function figure(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function order(round) {
  return h(
    "li",
    { "data-key": round.id, "data-table": round.table },
    h("span", { class: "chip", "data-state": round.state }, NAMES[round.state]),
    h("span", { class: "what" }, h("b", {}, `Table ${round.table}`), ` ${itemsText(round.items)}`),
    CANCELABLE.includes(round.state) &&
      button(
        "cancel",
        "Cancel",
        { table: round.table, round: round.id },
        {
          class: "quiet",
          "aria-label": `Cancel round ${round.number} of table ${round.table}`,
        },
      ),
  );
}

function flood({ flood: { heard, of, took }, dropped }) {
  if (of === 0) {
    return h("p", { class: "flood calm" }, "Flood sends 3,000 best-effort events here; orders are not delayed by it.");
  }
  const rate = took > 0 ? Math.round(heard / (took / 1000)) : 0;
  const number = (value) => value.toLocaleString("en");
  return h(
    "div",
    { class: "flood" },
    h("label", { for: "flood-meter" }, `Flood: ${number(heard)} of ${number(of)} heard`),
    h("meter", { id: "flood-meter", min: "0", max: String(of), value: String(heard) }),
    h("span", { class: "calm" }, `${number(rate)} a second${dropped ? `, ${number(dropped)} left out` : ""}`),
  );
}
