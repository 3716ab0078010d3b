// The evening that plays itself: robots press the buttons that people would, by what their own client has heard.

import { act, plain, seat } from "./api.js";
import { dishes, NEXT } from "./course.js";
import { perform } from "./pane.js";

const TICK = 700;
const COOKING = 3500;
const AT_ONCE = 5;
/** A party orders so many rounds, at most. */
const ROUNDS = 2;

const any = (list) => list[Math.floor(Math.random() * list.length)];
const id = (prefix) => `${prefix}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
const open = ({ state }) => state !== "SERVED" && state !== "CANCELED";

/**
 * `waiters` and `kitchen` are viewers, `phones` a map of table to `{viewer, act}`, where `viewer` changes with each party;
 * `clock` is that of the back end.
 */
export class Robots {
  #waiters;
  #kitchen;
  #phones;
  #clock;
  #timers = [];
  // Table to what its party still means to do.
  #plans = new Map();

  constructor({ waiters, kitchen, phones, clock }) {
    this.#waiters = waiters;
    this.#kitchen = kitchen;
    this.#phones = phones;
    this.#clock = clock;
  }

  get playing() {
    return this.#timers.length > 0;
  }

  start() {
    if (this.playing) return;
    const every = (share, step) => this.#timers.push(setInterval(() => step(), TICK * share));
    for (const { viewer, tables } of this.#waiters) every(1, () => this.#wait(viewer, tables));
    every(1.3, () => this.#cook());
    every(0.9, () => this.#dine());
  }

  stop() {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  /** A waiter does what is most urgent. */
  #wait(viewer, tables) {
    if (viewer.line.isCut) return;
    const { evening } = viewer;
    for (const { number } of tables) {
      const table = evening.tables.get(number);
      const call = [...table.calls.values()].find(({ state }) => state !== "CLOSED");
      if (call) {
        perform(viewer, { action: call.state === "CREATED" ? "acknowledge" : "close", table: number, call: call.id });
        return;
      }
    }
    const rounds = evening.rounds.filter(
      ({ state, table, since }) =>
        NEXT[state]?.by === "waiter" && tables.some(({ number }) => number === table) && this.#age(since) > TICK,
    );
    // What is ready gets cold.
    const round = rounds.find(({ state }) => state === "READY") ?? rounds[0];
    if (round) {
      perform(viewer, { action: NEXT[round.state].action, table: round.table, round: round.id });
      return;
    }
    const table = tables.map(({ number }) => evening.tables.get(number)).find(({ bill }) => bill !== undefined);
    if (table) perform(viewer, { action: table.bill === "PAID" ? "clear" : "pay", table: table.number });
  }

  #cook() {
    const viewer = this.#kitchen;
    if (viewer.line.isCut) return;
    const { rounds } = viewer.evening;
    const done = rounds.find(({ state, since }) => state === "IN_KITCHEN" && this.#age(since) > COOKING);
    const next = done ?? rounds.find(({ state }) => state === "SUBMITTED");
    if (next) perform(viewer, { action: NEXT[next.state].action, table: next.table, round: next.id });
  }

  /** One party does the next thing that it means to do. */
  #dine() {
    // Who has not heard what happened before takes every table for free.
    if (!this.#waiters.every(({ viewer }) => viewer.knows)) return;
    const tables = this.#waiters.flatMap(({ viewer, tables }) =>
      tables.map(({ number }) => viewer.evening.tables.get(number)),
    );
    const seated = tables.filter(({ isFree }) => !isFree);
    const free = tables.filter(({ isFree }) => isFree);
    // The tables with a phone first: there is most to see.
    const next = free.find(({ number }) => this.#phones.has(number)) ?? any(free);
    if (next && seated.length < AT_ONCE && Math.random() < 0.5) {
      this.#plans.delete(next.number);
      seat(next.number).catch(() => {});
      return;
    }
    const ready = seated.filter(({ rounds }) => ![...rounds.values()].some(open));
    if (ready.length > 0) this.#party(any(ready));
  }

  #party(table) {
    const { number, session, rounds } = table;
    const known = this.#plans.get(number);
    const plan =
      known?.session === session ? known : { session, rounds: 1 + Math.floor(Math.random() * ROUNDS), called: false };
    this.#plans.set(number, plan);
    const phone = this.#phones.get(number);
    if (phone?.viewer.line.isCut) return;
    if (rounds.size < plan.rounds) this.#order(number, session, rounds.size + 1, phone);
    else if (!plan.called && Math.random() < 0.4) {
      plan.called = true;
      this.#do(phone, { action: "call", table: number, session, call: id("call") });
    } else if (table.bill === undefined)
      this.#do(phone, { action: "bill", table: number, session, amount: table.total });
  }

  #order(table, session, number, phone) {
    if (phone) {
      // By its own cart, which others at the table would see: dish by dish, then the order.
      const { viewer } = phone;
      if (viewer.cart.size > 1) phone.act(viewer, { action: "order" });
      else phone.act(viewer, { action: "add", dish: any([...dishes.keys()]) });
      return;
    }
    const chosen = new Map();
    for (let i = 0; i < 2; i++) chosen.set(any([...dishes.keys()]), 1 + Math.floor(Math.random() * 2));
    const items = [...chosen].map(([dish, quantity]) => ({ dish, quantity }));
    const total = items.reduce((sum, { dish, quantity }) => sum + dishes.get(dish).price * quantity, 0);
    this.#do(undefined, { action: "order", table, session, round: { id: id("r"), number, items, total } });
  }

  #do(phone, what) {
    if (phone) phone.act(phone.viewer, { action: what.action });
    else act(plain, what).catch(() => {});
  }

  #age(since) {
    return this.#clock.now() - since;
  }
}
