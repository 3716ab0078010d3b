// Dead letters: critical events that were put aside, to be replayed or discarded.

import { get, post, remove } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, fill, pill, row, say } from "./dom.js";
import { number, pretty, when } from "./format.js";
import { notice } from "./notice.js";
import { Refresh } from "./refresh.js";

const SHOWN = 100;

export class Letters {
  #refresh;
  #count = null;

  constructor() {
    this.#refresh = new Refresh(byId("letters"), { load: () => this.#load(), seconds: 10, count: byId("letters-count") });
    byId("letters-refresh").addEventListener("click", () => this.#refresh.now());
    byId("letters-all").addEventListener("click", () => this.#replayAll());
  }

  set enabled(value) {
    this.#refresh.enabled = value;
  }

  /** The status says how many there are; when that changes, the list is asked for. */
  show({ dlq_length: count }) {
    if (count === this.#count) return;
    this.#count = count;
    this.#refresh.now();
  }

  async #load() {
    const { entries, cursor } = await get("/dlq", { limit: SHOWN });
    fill(byId("letters-rows"), entries.map((entry) => this.#row(entry)));
    byId("letters-empty").hidden = entries.length > 0;
    byId("letters-all").disabled = entries.length === 0;
    say(byId("letters-count"), cursor ? `the first ${number(entries.length)}` : entries.length ? number(entries.length) : "");
  }

  #row(entry) {
    const act = (word, doing, mood) =>
      el(
        "button",
        { type: "button", class: mood, data: { focus: `${word} ${entry.id}` }, onclick: doing },
        word,
        el("span", { class: "hidden" }, ` ${entry.id}`),
      );
    return row(
      [
        ["Put aside", el("span", { title: `by node ${entry.node}` }, when(Number(entry.time))), "nowrap"],
        ["Why", [pill(entry.reason.replaceAll("_", " "), "bad"), ` ${entry.error}`], "why"],
        ["Event", el("code", { title: entry.id }, title(entry))],
        ["Tries", number(Number(entry.tries)), "number"],
        ["", [act("Replay", () => this.#replay(entry), ""), " ", act("Discard", () => this.#discard(entry), "quiet")], "actions-cell"],
      ],
      { data: { letter: entry.id } },
    );
  }

  async #replay(entry) {
    const yes = await confirmed({
      title: "Replay this event?",
      text: "It goes to everybody who may see it, as a new critical event, and leaves this list. What was wrong with the event itself brings it back here.",
      yes: "Replay",
      detail: pretty(asText(entry)),
    });
    if (!yes) return;
    await this.#do(async () => {
      const { event_id } = await post(`/dlq/${encodeURIComponent(entry.id)}/replay`);
      return `Replayed as ${event_id}.`;
    });
  }

  async #discard(entry) {
    const yes = await confirmed({
      title: "Discard this event?",
      text: "Nobody will ever get it, and it cannot be taken back.",
      yes: "Discard",
      detail: pretty(asText(entry)),
      danger: true,
    });
    if (!yes) return;
    await this.#do(async () => {
      await remove(`/dlq/${encodeURIComponent(entry.id)}`);
      return "Discarded.";
    });
  }

  async #replayAll() {
    const yes = await confirmed({
      title: `Replay ${this.#count === null ? "all" : number(this.#count)} dead letters?`,
      text: "Each goes to everybody who may see it, as a new critical event. Those that are refused again come back here.",
      yes: "Replay all",
    });
    if (!yes) return;
    await this.#do(async () => {
      await post("/dlq/replay", { all: true });
      return "Replayed.";
    });
  }

  async #do(work) {
    try {
      notice(await work());
    } catch (error) {
      notice(error.message);
    }
    this.#refresh.now();
  }
}

/** An entry's event is JSON, or text where it is none. */
function asText({ event }) {
  return typeof event === "string" ? event : JSON.stringify(event);
}

function title(entry) {
  try {
    const { type, tenant_id, branch_id } = typeof entry.event === "string" ? JSON.parse(entry.event) : entry.event;
    return `${type ?? "no type"} · ${tenant_id ?? "?"} / ${branch_id ?? "?"}`;
  } catch {
    return asText(entry).slice(0, 60);
  }
}
