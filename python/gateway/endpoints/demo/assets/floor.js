// A waiter's part of the floor: tables, their rounds, calls and bills.

import { seat } from "./api.js";
import { itemsText, money, NAMES, NEXT } from "./course.js";
import { h } from "./dom.js";
import { button, perform } from "./pane.js";

/** The view of the waiter of these tables. */
export function floor(tables) {
  return ({ evening }) => [
    h(
      "ul",
      { class: "tables" },
      tables.map((table) => card(table, evening.tables.get(table.number))),
    ),
  ];
}

export async function serve(viewer, data) {
  if (data.action !== "seat") return perform(viewer, data);
  try {
    await seat(Number(data.table), viewer.line);
    return true;
  } catch (error) {
    viewer.note(viewer.line.isCut ? "no network: nothing was sent" : `not done: ${error.message}`);
    return false;
  }
}

function card({ number, seats }, state) {
  const todo = state.isFree ? [] : [...calls(state), ...rounds(state), ...bill(state)];
  return h(
    "li",
    { class: "table", "data-key": `t${number}`, "data-free": state.isFree, "data-table": number },
    h("h3", {}, h("span", {}, `Table ${number}`), h("small", {}, `${seats} seats`)),
    state.isFree && h("p", { class: "calm" }, "Free"),
    state.isFree && button("seat", "Seat guests", { table: number, key: "seat" }, { class: "quiet wide" }),
    todo,
    !state.isFree &&
      todo.length === 0 &&
      h("p", { class: "calm" }, state.rounds.size ? "All served" : "Reading the menu"),
  );
}

function calls({ number, calls }) {
  return [...calls.values()]
    .filter(({ state }) => state !== "CLOSED")
    .map(({ id, state }) =>
      h(
        "div",
        { class: "todo call", "data-key": id },
        h("span", { class: "chip", "data-state": "CALL" }, state === "CREATED" ? "Calls you" : "On your way"),
        state === "CREATED"
          ? button("acknowledge", "I’m coming", { table: number, call: id })
          : button("close", "Done", { table: number, call: id }),
      ),
    );
}

function rounds({ number, rounds }) {
  return [...rounds.values()]
    .filter(({ state }) => state !== "SERVED" && state !== "CANCELED")
    .map((round) => {
      const next = NEXT[round.state];
      return h(
        "div",
        { class: "todo", "data-key": round.id, title: itemsText(round.items) },
        h("span", { class: "chip", "data-state": round.state }, NAMES[round.state]),
        next?.by === "waiter"
          ? button(next.action, next.label, { table: number, round: round.id })
          : h("span", { class: "calm" }, `Round ${round.number}`),
      );
    });
}

function bill(table) {
  const { number, bill, total } = table;
  if (bill === undefined) return [];
  const paid = bill === "PAID";
  return [
    h(
      "div",
      { class: "todo", "data-key": "bill" },
      h("span", { class: "chip", "data-state": paid ? "SERVED" : "BILL" }, `${paid ? "Paid" : "Bill"} ${money(total)}`),
      paid ? button("clear", "Clear", { table: number }) : button("pay", "Take payment", { table: number }),
    ),
  ];
}
