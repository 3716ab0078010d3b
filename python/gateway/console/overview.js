// Tiles, charts, breakers and relay: everything that the status of each second says.

import { Chart } from "./chart.js";
import { byId, el, pill, say } from "./dom.js";
import { age, bytes, number, plural } from "./format.js";
import { Series } from "./series.js";

const ENDPOINTS = ["waiter", "kitchen", "admin", "diner"];
const TILES = [
  ["state", "State"],
  ["rooms", "Rooms"],
  ["slow", "Slow clients closed"],
  ["dropped", "Events dropped"],
  ["waiting", "Waiting for clients"],
  ["letters", "Dead letters"],
];
const REASONS = {
  redis: "Redis does not answer",
  pubsub: "best-effort events are not heard",
  live: "critical events are not heard",
  announcements: "revocations are not heard",
  draining: "it is draining",
};

export class Overview {
  #series = new Series();
  #tiles = new Map();
  #facts = new Map();
  #charts;
  #first = null;

  constructor() {
    for (const [name, label] of TILES) {
      const value = el("dd", { class: "value" }, "–");
      const note = el("dd", { class: "note" });
      const tile = el("div", {}, el("dt", {}, label), value, note);
      this.#tiles.set(name, { tile, value, note });
      byId("tiles").append(tile);
    }
    this.#charts = [
      new Chart(byId("chart-connections"), {
        title: "Connections",
        unit: "open",
        lines: ENDPOINTS.map((name) => [name, name]),
        stacked: true,
      }),
      new Chart(byId("chart-deliveries"), { title: "Deliveries", unit: "a second", lines: [["deliveries", "deliveries"]] }),
      new Chart(byId("chart-events"), {
        title: "Events in",
        unit: "a second",
        lines: [["pubsub", "Pub/Sub"], ["stream", "critical and API"]],
        stacked: true,
      }),
    ];
  }

  show(status) {
    this.#first ??= status;
    this.#series.add(Date.now() / 1000, status.uptime_seconds, pick(status.connections, ENDPOINTS), {
      deliveries: status.deliveries_total,
      pubsub: status.events.pubsub,
      stream: status.events.stream,
    });
    for (const chart of this.#charts) chart.draw(this.#series);
    this.#showTiles(status);
    this.#showHealth(status);
    say(byId("node"), status.node);
    const environment = byId("environment");
    say(environment, status.environment);
  }

  #showTiles(status) {
    const reasons = status.reasons.map((reason) => REASONS[reason] ?? reason);
    this.#tile("state", status.ready ? "Ready" : "Not ready", reasons.join("; ") || `up ${age(status.uptime_seconds)}`, status.ready ? "good" : "bad");
    this.#tile("rooms", number(status.rooms), plural(status.connections.total, "connection"));
    const slow = status.slow_clients_total;
    const newSlow = slow - this.#first.slow_clients_total;
    this.#tile("slow", number(slow), newSlow > 0 ? `${number(newSlow)} since you look` : "since the start", newSlow > 0 ? "warn" : "");
    const dropped = total(status.drops);
    const newDropped = dropped - total(this.#first.drops);
    const [[reason] = []] = Object.entries(status.drops).sort(([, one], [, other]) => other - one);
    this.#tile("dropped", number(dropped), dropped ? `most: ${reason.replaceAll("_", " ")}` : "since the start", newDropped > 0 ? "warn" : "");
    this.#tile("waiting", bytes(status.outbox_bytes), `${plural(status.broadcasts_in_flight, "event")} under way`);
    const letters = status.dlq_length;
    this.#tile("letters", number(letters), letters ? "put aside, to be looked at" : letters === 0 ? "none put aside" : "Redis cannot tell", letters ? "warn" : "");
  }

  #tile(name, value, note, mood = "") {
    const tile = this.#tiles.get(name);
    say(tile.value, value);
    say(tile.note, note);
    tile.note.title = note;
    tile.tile.dataset.mood = mood;
  }

  #showHealth({ breakers, relay, draining }) {
    const moods = { closed: "good", half_open: "warn", open: "bad" };
    this.#fact("relay", "Relay", relay.active ? "active here" : "stands by", relay.active ? "good" : "");
    this.#fact("relay", "Waiting in the source", plural(relay.lag, "event"), relay.lag > 1000 ? "warn" : "");
    if (relay.pending !== null) this.#fact("relay", "Not acknowledged", plural(relay.pending, "event"));
    if (draining) this.#fact("relay", "This node", "draining", "warn");
    for (const [duty, state] of Object.entries(breakers)) {
      this.#fact("breakers", duty, state.replace("_", "-"), moods[state]);
    }
  }

  #fact(list, name, text, mood = "") {
    let fact = this.#facts.get(`${list} ${name}`);
    if (fact === undefined) {
      fact = pill("");
      this.#facts.set(`${list} ${name}`, fact);
      byId(list).append(el("div", {}, el("dt", {}, name), el("dd", {}, fact)));
    }
    say(fact, text);
    fact.dataset.mood = mood;
  }
}

function pick(values, names) {
  return Object.fromEntries(names.map((name) => [name, values[name] ?? 0]));
}

function total(counts) {
  return Object.values(counts).reduce((sum, value) => sum + value, 0);
}
