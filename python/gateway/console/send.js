// A test event: best effort, to one channel or to everybody whom its type reaches, or critical.

import { post } from "./api.js";
import { byId, say } from "./dom.js";
import { number } from "./format.js";

const EXAMPLE = { type: "ROUND_READY", tenant_id: 1, branch_id: 5, note: "a test from the console" };

export class Send {
  #form = byId("send-form");
  #outcome = byId("send-outcome");

  constructor() {
    this.#form.elements.event.value = JSON.stringify(EXAMPLE, null, 2);
    this.#form.addEventListener("change", () => this.#choose());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#choose();
  }

  set enabled(value) {
    this.#form.querySelector("[type=submit]").disabled = !value;
    if (!value) say(byId("send-hint"), "This key has not the scope publish.");
  }

  get #critical() {
    return this.#form.elements.way.value === "emit";
  }

  #choose() {
    byId("send-channel").hidden = this.#critical;
    this.#form.elements.channel.disabled = this.#critical;
    byId("send-key").hidden = !this.#critical;
  }

  async #send() {
    const { channel, key, event: text } = this.#form.elements;
    let event;
    try {
      event = JSON.parse(text.value);
    } catch (error) {
      this.#tell(`This is no JSON: ${error.message}.`, "bad");
      text.focus();
      return;
    }
    const button = this.#form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const { results } = this.#critical
        ? await post("/emit", { event, ...(key.value && { key: key.value }) })
        : await post("/publish", { event, ...(channel.value.trim() && { channel: channel.value.trim() }) });
      this.#show(results[0]);
    } catch (error) {
      this.#tell(error.message, "bad");
    }
    button.disabled = false;
  }

  #show(result) {
    if (result.refused) this.#tell(result.error ?? `Refused: ${result.refused}.`, "bad");
    else if (this.#critical) this.#tell(`Accepted as ${result.event_id}.`, "good");
    else if (result.nodes) this.#tell(`Heard by ${number(result.nodes)} ${result.nodes === 1 ? "node" : "nodes"}.`, "good");
    else this.#tell("Sent, but no node listens there: nobody whom it is for is connected.", "");
  }

  #tell(text, mood) {
    say(this.#outcome, text);
    this.#outcome.dataset.mood = mood;
  }
}
