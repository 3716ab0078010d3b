// Connections, and how to end one.

import { get, remove } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, el, fill, pill, row, say } from "./dom.js";
import { queryOf } from "./filter.js";
import { age, bytes, number } from "./format.js";
import { notice } from "./notice.js";
import { Refresh } from "./refresh.js";
import { needs } from "./scopes.js";

const PAGE = 100;
const GOING_AWAY = 1001; // the client comes back by itself

export class Connections {
  #refresh;
  #pages = 1;

  constructor() {
    this.#refresh = new Refresh(byId("connections"), {
      load: () => this.#load(),
      seconds: 5,
      count: byId("connections-count"),
    });
    byId("connections-filter").addEventListener("input", () => {
      this.#pages = 1;
      this.#choose();
      this.#refresh.now();
    });
    this.#choose();
    byId("connections-filter").addEventListener("submit", (event) => event.preventDefault());
    byId("connections-more").addEventListener("click", () => {
      this.#pages += 1;
      this.#refresh.now();
    });
  }

  set enabled(value) {
    this.#refresh.enabled = value;
  }

  async #load() {
    const query = queryOf(byId("connections-filter"));
    const found = [];
    let cursor = null;
    for (let page = 0; page < this.#pages; page += 1) {
      const answer = await get("/connections", { ...query, limit: PAGE, cursor });
      found.push(...answer.connections);
      cursor = answer.cursor;
      if (!cursor) break;
    }
    fill(byId("connections-rows"), found.map((connection) => this.#row(connection)));
    byId("connections-empty").hidden = found.length > 0;
    byId("connections-more").hidden = !cursor;
    say(byId("connections-count"), cursor ? `the first ${number(found.length)}` : number(found.length));
  }

  /** A branch and a user have a meaning in a tenant alone. */
  #choose() {
    const { tenant, branch, user } = byId("connections-filter").elements;
    for (const field of [branch, user]) field.disabled = tenant.value === "";
  }

  #row(connection) {
    const { connection: name, tenant, subject, endpoint, branches, since, outbox_bytes: waiting } = connection;
    const end = el(
      "button",
      { type: "button", class: "quiet", data: { focus: name }, onclick: () => this.#end(connection), ...needs("operate") },
      "Disconnect",
      el("span", { class: "hidden" }, ` ${name}`),
    );
    return row([
      ["Connection", el("code", {}, name), "nowrap"],
      ["Who", el("div", {}, pill(endpoint ?? "other"), ` tenant ${tenant}, ${subject}`)],
      ["Where", el("span", { title: connection.audiences.join(", ") }, `${branches.length > 1 ? "branches" : "branch"} ${branches.join(", ")}`)],
      ["Since", since === null ? "–" : age(Date.now() / 1000 - since), "number"],
      ["Waiting", waiting > 0 ? pill(bytes(waiting), "warn") : bytes(waiting), "number"],
      ["", end, "actions-cell"],
    ]);
  }

  async #end({ connection, tenant, subject, endpoint }) {
    const yes = await confirmed({
      title: "Disconnect this client?",
      text: `${endpoint} ${subject} of tenant ${tenant} is told to go (code ${GOING_AWAY}) and may come back. To keep it out, revoke its token.`,
      yes: "Disconnect",
      danger: true,
    });
    if (!yes) return;
    try {
      await remove(`/connections/${encodeURIComponent(connection)}?code=${GOING_AWAY}`);
      notice(`${connection} is disconnected.`);
    } catch (error) {
      notice(error.message);
    }
    this.#refresh.now();
  }
}
