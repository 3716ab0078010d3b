// Rooms with somebody in them.

import { get } from "./api.js";
import { byId, el, fill, row, say } from "./dom.js";
import { queryOf } from "./filter.js";
import { number, plural } from "./format.js";
import { Refresh } from "./refresh.js";

const SHOWN = 100;
const NAMED = 3; // audiences of one kind that are named one by one

export class Rooms {
  #tail;
  #refresh;

  constructor(tail) {
    this.#tail = tail;
    this.#refresh = new Refresh(byId("rooms"), { load: () => this.#load(), seconds: 5, count: byId("rooms-count") });
    byId("rooms-filter").addEventListener("input", () => this.#refresh.now());
    byId("rooms-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  set enabled(value) {
    this.#refresh.enabled = value;
  }

  async #load() {
    const { rooms, cursor } = await get("/rooms", { ...queryOf(byId("rooms-filter")), limit: SHOWN });
    fill(byId("rooms-rows"), rooms.map((room) => this.#row(room)));
    byId("rooms-empty").hidden = rooms.length > 0;
    say(byId("rooms-count"), cursor ? `the first ${number(rooms.length)}; narrow it by tenant` : "");
  }

  #row({ tenant, branch, connections, audiences, position }) {
    const names = gathered(audiences).map(([name, count]) => el("div", {}, el("code", {}, name), ` ${number(count)}`));
    const watch = el(
      "button",
      { type: "button", class: "quiet", data: { focus: `${tenant}/${branch}` }, onclick: () => this.#tail.watch(tenant, branch) },
      "Watch",
      el("span", { class: "hidden" }, ` events of tenant ${tenant}, branch ${branch}`),
    );
    return row([
      ["Room", el("span", { title: position ? `position ${position}` : "no critical event yet" }, `${tenant} / ${branch}`), "nowrap"],
      ["Connections", number(connections), "number"],
      ["Audiences", el("div", {}, names)],
      ["", watch, "actions-cell"],
    ]);
  }
}

/** Audiences and how many are in each; many sectors or table sessions are one line together. */
function gathered(audiences) {
  const kinds = Map.groupBy(Object.entries(audiences), ([name]) => name.split(":")[0]);
  return [...kinds].flatMap(([kind, found]) => {
    if (kind === "branch" || found.length <= NAMED) return found;
    return [[plural(found.length, kind), found.reduce((sum, [, count]) => sum + count, 0)]];
  });
}
