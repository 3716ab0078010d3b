// Who was closed lately for reading too slowly.

import { byId, el, fill, pill, row, say } from "./dom.js";
import { age, number, when } from "./format.js";

const KEPT = 50; // as the gateway has it

export function showSlow(clients) {
  fill(
    byId("slow-rows"),
    clients.map(({ at, connection, tenant, subject, endpoint, seconds }) =>
      row([
        ["Closed", when(at), "nowrap"],
        ["Who", el("div", {}, pill(endpoint), ` tenant ${tenant}, ${subject}`)],
        ["Connection", el("code", {}, connection), "nowrap"],
        ["Was connected", age(seconds), "number"],
      ]),
    ),
  );
  byId("slow-empty").hidden = clients.length > 0;
  say(byId("slow-count"), clients.length >= KEPT ? `the last ${number(KEPT)}` : clients.length ? number(clients.length) : "");
}
