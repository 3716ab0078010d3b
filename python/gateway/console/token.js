// A token for trying things out; the gateway makes it, in development alone.

import { makeToken } from "./api.js";
import { byId, say } from "./dom.js";
import { age } from "./format.js";
import { notice } from "./notice.js";

export class TokenMaker {
  #form = byId("token-form");
  #made = null;

  constructor() {
    this.#form.addEventListener("change", () => this.#choose());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    byId("token-copy").addEventListener("click", ({ target }) => {
      if (target.dataset.copy) this.#copy(target.dataset.copy);
    });
    this.#choose();
  }

  set enabled(value) {
    byId("token").hidden = !value;
  }

  #choose() {
    const staff = this.#form.elements.kind.value === "staff";
    for (const [id, shown] of [["token-staff", staff], ["token-table", !staff]]) {
      byId(id).hidden = !shown;
      // What is disabled is not checked by the browser, which could not show what is wrong with it.
      for (const field of byId(id).querySelectorAll("input, select")) field.disabled = !shown;
    }
  }

  async #make() {
    const { kind, tenant, branch, user, role, sectors, table, session } = this.#form.elements;
    const wanted =
      kind.value === "staff"
        ? {
            kind: "staff",
            tenant: tenant.valueAsNumber,
            user: user.value,
            branches: [branch.valueAsNumber],
            role: role.value,
            sectors: sectors.value.split(/[ ,]+/).filter(Boolean).map(Number),
          }
        : {
            kind: "table",
            tenant: tenant.valueAsNumber,
            branch: branch.valueAsNumber,
            table: table.valueAsNumber,
            session: session.valueAsNumber,
          };
    const outcome = byId("token-outcome");
    try {
      this.#made = await makeToken(wanted);
    } catch (error) {
      say(outcome, error.message);
      outcome.dataset.mood = "bad";
      return;
    }
    say(outcome, `Good for ${age(this.#made.expires_in)}.`);
    outcome.dataset.mood = "good";
    byId("token-text").value = this.#made.token;
    byId("token-result").hidden = false;
    byId("token-copy").hidden = false;
  }

  async #copy(what) {
    const { token, path } = this.#made;
    const base = new URL("..", location.href);
    base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
    const text = what === "token" ? token : `${base.href.replace(/\/$/, "")}${path}${encodeURIComponent(token)}`;
    try {
      await navigator.clipboard.writeText(text);
      notice("Copied.");
    } catch {
      byId("token-text").value = text;
      byId("token-text").select();
      notice("The browser keeps its clipboard closed here: the text is selected, copy it yourself.");
    }
  }
}
