// Dead letters: critical events that were put aside, to be replayed or discarded.

import { get, post, remove } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, fill, pill, row, say } from "./dom.js";
import { number, pretty, when } from "./format.js";
import { notice } from "./notice.js";
import { Refresh } from "./refresh.js";
import { may, needs } from "./scopes.js";

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
    byId("letters-all").disabled = entries.length === 0 || !may("operate");
    say(byId("letters-count"), cursor ? `the first ${number(entries.length)}` : entries.length ? number(entries.length) : "");
  }

  #row(entry) {
    const act = (word, doing, mood) =>
      el(
        "button",
        { type: "button", class: mood, data: { focus: `${word} ${entry.id}` }, onclick: doing, ...needs("operate") },
        word,
        el("span", { class: "hidden" }, ` ${entry.id}`),
      );
    return row(
      [
        ["Put aside", el("span", { title: `by node ${entry.node}` }, when(Number(entry.time))), "nowrap"],
        ["Why", el("div", {}, pill(entry.reason.replaceAll("_", " "), "bad"), ` ${entry.error}`), "why"],
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
      text: "It goes to everybody who may see it, as a new critical event, and leaves this list. One that the gateway would refuse again stays.",
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
      text: "Each goes to everybody who may see it, as a new critical event. Those that would be refused again stay.",
      yes: "Replay all",
    });
    if (!yes) return;
    await this.#do(async () => {
      let replayed = 0;
      let refused = 0;
      for (let more = true; more; ) {
        const answer = await post("/dlq/replay", { all: true });
        const done = answer.results.filter(({ event_id }) => event_id !== undefined).length;
        replayed += done;
        refused = answer.results.length - done;
        // Asked again it begins with the oldest, which are those that stay: without progress there is no end.
        more = answer.more && done > 0;
      }
      return `${number(replayed)} replayed${refused ? `, ${number(refused)} would be refused again and stay` : ""}.`;
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

/** An entry's event as it was emitted, or its fields where it has no event. */
function asText({ event, fields }) {
  return event ?? fields ?? "";
}

function title(entry) {
  const text = asText(entry);
  try {
    const { type, tenant_id, branch_id } = JSON.parse(text);
    return `${type ?? "no type"} · ${tenant_id ?? "?"} / ${branch_id ?? "?"}`;
  } catch {
    return text.slice(0, 60);
  }
}
