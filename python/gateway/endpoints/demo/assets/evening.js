// What one client knows of the evening: its critical events, folded.

import { COURSE } from "./course.js";

/** A stream id as something that compares. */
function order(id) {
  const [ms, n] = id.split("-");
  return ms.padStart(16, "0") + n.padStart(8, "0");
}

class Table {
  rounds = new Map();
  calls = new Map();
  /** undefined, "REQUESTED" or "PAID" */
  bill;

  /** `session` 0 is nobody; `left` is the last party that has. */
  constructor(number, session, left = 0) {
    this.number = number;
    this.session = session;
    this.left = left;
  }

  get isFree() {
    return this.session === 0;
  }

  /** Everything that was ordered and not canceled, in cents. */
  get total() {
    return [...this.rounds.values()].reduce((sum, { state, total }) => sum + (state === "CANCELED" ? 0 : total), 0);
  }
}

/**
 * Knows the same whatever the order in which events come, and however often: what is fetched and what is heard overlap.
 */
export class Evening {
  #numbers;
  #events = new Map();
  #last = "";

  constructor(numbers) {
    this.#numbers = numbers;
    this.#begin();
  }

  /** Adds critical events; whether there was a new one. */
  add(...events) {
    const fresh = events.filter(({ event_id }) => !this.#events.has(event_id));
    for (const event of fresh) this.#events.set(event.event_id, event);
    if (fresh.every((event, i) => order(event.event_id) > (i ? order(fresh[i - 1].event_id) : this.#last))) {
      for (const event of fresh) this.#apply(event);
    } else {
      this.#begin();
      const all = [...this.#events.values()].sort((a, b) => (order(a.event_id) < order(b.event_id) ? -1 : 1));
      for (const event of all) this.#apply(event);
    }
    return fresh.length > 0;
  }

  /** Every round of the parties that sit there now, oldest first. */
  get rounds() {
    return [...this.tables.values()]
      .flatMap((table) => [...table.rounds.values()].map((round) => ({ ...round, table: table.number })))
      .sort((a, b) => (a.ordered < b.ordered ? -1 : 1));
  }

  #begin() {
    this.tables = new Map(this.#numbers.map((number) => [number, new Table(number, 0)]));
    this.takings = 0;
    this.bills = 0;
    this.#last = "";
  }

  #apply(event) {
    this.#last = order(event.event_id);
    const { type, session_id: session } = event;
    let table = this.tables.get(event.table);
    if (table === undefined) return;
    if (type === "CHECK_PAID") {
      this.takings += event.amount ?? 0;
      this.bills += 1;
    }
    // Sessions grow. Not everybody hears that a party sits down: it shows by what it does.
    if (session < table.session || session <= table.left) return;
    if (session > table.session) {
      table = new Table(event.table, session, table.left);
      this.tables.set(event.table, table);
    }
    if (type === "TABLE_CLEARED") {
      this.tables.set(event.table, new Table(event.table, 0, session));
    } else if (event.round) this.#round(table, event);
    else if (event.call) table.calls.set(event.call, { id: event.call, state: type.slice("SERVICE_CALL_".length) });
    else if (type === "CHECK_REQUESTED") table.bill ??= "REQUESTED";
    else if (type === "CHECK_PAID") table.bill = "PAID";
  }

  #round(table, { type, round, event_id: id, at }) {
    const state = type.slice("ROUND_".length);
    const known = table.rounds.get(round.id);
    if (known && COURSE.indexOf(state) <= COURSE.indexOf(known.state) && state !== "CANCELED") return;
    table.rounds.set(round.id, { ...round, state, since: at, ordered: known?.ordered ?? order(id) });
  }
}
