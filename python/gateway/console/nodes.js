// Every node on this Redis.

import { get } from "./api.js";
import { byId, el, fill, pill, row, say } from "./dom.js";
import { age, number } from "./format.js";
import { Refresh } from "./refresh.js";

export class Nodes {
  #refresh = new Refresh(byId("nodes"), { load: () => this.#load(), seconds: 5, count: byId("nodes-count") });

  set enabled(value) {
    this.#refresh.enabled = value;
  }

  async #load() {
    const { nodes, silent } = await get("/nodes");
    const here = byId("node").textContent;
    fill(byId("nodes-rows"), [...nodes.map((node) => this.#row(node, here)), ...silent.map((name) => this.#silent(name))]);
    byId("nodes-empty").hidden = nodes.length + silent.length > 0;
    say(byId("nodes-count"), silent.length ? `${number(silent.length)} did not answer in time` : "");
  }

  #row(node, here) {
    const state = node.draining ? pill("draining", "warn") : node.ready ? pill("ready", "good") : pill(`not ready: ${node.reasons.join(", ")}`, "bad");
    return row([
      ["Node", [el("code", {}, node.node), node.node === here ? " (this one)" : ""], "nowrap"],
      ["State", state],
      ["Relay", node.relay.active ? pill("active", "good") : "stands by"],
      ["Connections", number(node.connections.total), "number"],
      ["Rooms", number(node.rooms), "number"],
      ["In flight", number(node.broadcasts_in_flight), "number"],
      ["Up", age(node.uptime_seconds), "number"],
      ["Version", `${node.version}, ${node.fanout}`, "nowrap"],
    ]);
  }

  #silent(name) {
    return row([["Node", el("code", {}, name)], ["State", pill("silent", "bad")], ["Relay", ""], ["Connections", "–", "number"], ["Rooms", "–", "number"], ["In flight", "–", "number"], ["Up", "–", "number"], ["Version", ""]]);
  }
}
