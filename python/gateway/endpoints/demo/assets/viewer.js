// One client of the gateway: its connection, its line, and what it knows.

import { act, GATEWAY, history, token } from "./api.js";
import { Evening } from "./evening.js";
import { FanoutClient } from "./fanout-client.js";
import { Line } from "./line.js";

export const FLOOD = "ENTITY_UPDATED";

// Whoever has been away looks again soon, and not up to half a minute after the network is back.
const TIMING = { longestWait: 3 };
const FETCH_AGAIN_AFTER = 1500;
/** How long it is said what a cut has cost. */
const ABSENCE_SHOWN = 30_000;

/**
 * Tells by `change` that there is something new to show, by `note` (`detail`: the words) what a person should hear, and by
 * `event` (`detail`: `{event, missed}`) what the gateway has delivered.
 */
export class Viewer extends EventTarget {
  line = new Line();
  evening;
  dropped = 0;
  cart = new Map();
  flood = { heard: 0, of: 0, began: 0, took: 0 };
  /** What a cut has cost: `{seconds, missed, inOrder, stale}`; undefined when there is nothing to say. */
  absence;
  gaveUp;
  #client;
  #clock;
  #catchUp;
  #token;
  #openedAt = Number.POSITIVE_INFINITY;
  #cutAt;
  #lastId = "";
  /** Whether it has fetched what happened before. */
  knows = false;
  #fetched = false;
  /** Of a diner. */
  session;

  /**
   * `whom` is what a token is asked for, `catchUp` the path of the endpoint that tells what has happened, `tables` the
   * numbers of all tables, `clock` that of the back end.
   */
  constructor({ endpoint, whom, catchUp, tables, clock }) {
    super();
    this.endpoint = endpoint;
    this.evening = new Evening(tables);
    this.#clock = clock;
    this.#catchUp = catchUp;
    this.#client = new FanoutClient({
      url: GATEWAY.href,
      endpoint,
      token: async () => {
        this.#token = await token(this.line, whom);
        return this.#token;
      },
      WebSocket: this.line.WebSocket,
      timing: TIMING,
      onState: (state) => this.#onState(state),
      onStale: () => {
        if (this.absence !== undefined) this.absence.stale = true;
        this.#fetch("critical events may be missing: the state was fetched anew");
      },
      onThrottled: (dropped) => {
        this.dropped += dropped;
        this.note(`${dropped} best-effort events were left out: this client was too slow`);
      },
      onGiveUp: ({ code }) => {
        this.gaveUp = code;
        this.note(`the gateway closed the connection for good (${code})`);
      },
      onError: (error) => this.#onError(error),
    });
    this.#client.on("*", (event) => this.#hear(event));
    this.line.addEventListener("cut", () => {
      this.#cutAt = performance.now();
      this.note("network cut");
    });
    this.line.addEventListener("back", () => this.note("network is there again"));
  }

  get state() {
    return this.#client.state;
  }

  connect() {
    this.gaveUp = undefined;
    this.#client.connect();
  }

  close() {
    this.#client.close();
  }

  /** Does something, as the back end's user; what fails is said. */
  async act(what) {
    try {
      await act(this.line, what);
      return true;
    } catch (error) {
      this.note(this.line.isCut ? "no network: nothing was sent" : `not done: ${error.message}`);
      return false;
    }
  }

  note(words) {
    this.dispatchEvent(new CustomEvent("note", { detail: words }));
    this.#changed();
  }

  #onState(state) {
    if (state === "open") {
      this.#openedAt = this.#clock.now();
      if (this.#cutAt !== undefined) {
        const seconds = (performance.now() - this.#cutAt) / 1000;
        const absence = { seconds, missed: 0, inOrder: true, stale: false };
        this.absence = absence;
        setTimeout(() => {
          if (this.absence === absence) this.absence = undefined;
          this.#changed();
        }, ABSENCE_SHOWN);
        this.#cutAt = undefined;
        this.note("connected again");
      }
      if (!this.#fetched) this.#fetch();
    }
    this.#changed();
  }

  /** Fetches the state, once the connection is open: what happens meanwhile is heard. */
  async #fetch(words) {
    this.#fetched = true;
    try {
      this.evening.add(...(await history(this.line, this.#catchUp, this.#token)));
      if (words) this.note(words);
      this.knows = true;
    } catch (error) {
      // Cut off, or the gateway is: the next connection, or the next attempt, brings it.
      this.#onError(error);
      setTimeout(() => this.#client.state !== "closed" && this.#fetch(words), FETCH_AGAIN_AFTER);
    }
    this.#changed();
  }

  #hear(event) {
    if (event.type === FLOOD && event.flood) {
      this.#flooded(event);
      return;
    }
    let missed = false;
    if (event.event_id !== undefined) {
      this.evening.add(event);
      // It is older than the connection that brought it. A stream id begins with the time at which it was added.
      missed = Number(event.event_id.split("-")[0]) < this.#openedAt;
      if (missed) this.#count(event.event_id);
    } else {
      this.#changeCart(event);
    }
    this.dispatchEvent(new CustomEvent("event", { detail: { event, missed, after: this.#clock.now() - event.at } }));
    this.#changed();
  }

  #count(id) {
    if (this.absence === undefined) return;
    this.absence.missed += 1;
    if (this.#lastId.localeCompare(id, "en", { numeric: true }) >= 0) this.absence.inOrder = false;
    this.#lastId = id;
  }

  #changeCart({ type, dish, session_id: session }) {
    if (type === "CART_CLEARED") this.cart.clear();
    const change = { CART_ITEM_ADDED: 1, CART_ITEM_REMOVED: -1 }[type];
    if (change === undefined || session === undefined) return;
    const quantity = (this.cart.get(dish) ?? 0) + change;
    if (quantity > 0) this.cart.set(dish, quantity);
    else this.cart.delete(dish);
  }

  #flooded(event) {
    if (event.flood === 1 || event.of !== this.flood.of) {
      this.flood = { heard: 0, of: event.of, began: performance.now(), took: 0 };
    }
    this.flood.heard += 1;
    this.flood.took = performance.now() - this.flood.began;
    this.#changed();
  }

  #onError(error) {
    // Without a network, or without a gateway, everything fails; the pane says so already.
    if (this.#client.state === "open" && !this.line.isCut) this.note(error.message);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
