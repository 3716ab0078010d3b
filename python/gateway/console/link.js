// The console's WebSocket: it comes back by itself, and tells listeners what it hears.

import { askKey, asSubprotocol, forgetKey, storedKey } from "./key.js";

const LONGEST_WAIT = 15_000;
const SILENCE = 6_000; // a status comes every second

const REFUSED = 4001;
const NOT_ALLOWED = 4003;
const TOO_MANY = 4029;

/** Events: `welcome`, `status`, `slow`, `events`, `error` with the message as detail, and `state` with `{state, why}`. */
export class Link extends EventTarget {
  #socket = null;
  #failures = 0;
  #timer = 0;

  /** Find out whether a key is needed, ask for it, and connect. */
  async open() {
    clearTimeout(this.#timer);
    const access = await askAccess();
    if (access === null) {
      this.#lost("The gateway cannot be reached.");
      return;
    }
    if (access === "closed") {
      this.#tell("closed", "The console is closed: set GATEWAY_OPERATOR_KEY or GATEWAY_API_READ_KEYS, and start the gateway again.");
      return;
    }
    if (access === "open") forgetKey();
    else if (storedKey() === null) await askKey();
    this.#connect();
  }

  /** Send JSON if the connection stands; whether it does. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect() {
    const key = storedKey();
    const url = new URL("../ws/console", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, key === null ? [] : ["bearer-base64url", asSubprotocol(key)]);
    this.#socket = socket;
    this.#tell("connecting", "Connecting…");
    socket.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => {
      if (this.#socket === socket) this.#closed(code);
    });
    this.#watchSilence();
  }

  #hear(message) {
    this.#watchSilence();
    if (message.type === "welcome") {
      this.#failures = 0;
      this.#tell("live", "Live");
    }
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  /** A connection that says nothing for long is dead, though nobody said so: a laptop that slept, a lost network. */
  #watchSilence() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const socket = this.#socket;
      this.#socket = null;
      socket?.close();
      this.#lost("Nothing was heard for a while.");
    }, SILENCE);
  }

  async #closed(code) {
    clearTimeout(this.#timer);
    this.#socket = null;
    if (code === REFUSED || code === NOT_ALLOWED) {
      forgetKey();
      this.#tell("lost", "The key was refused.");
      await askKey(code === REFUSED ? "That key was refused." : "That key may not read: it has not the scope.");
      this.#connect();
    } else if (code === TOO_MANY) {
      this.#lost("Too many consoles are open on this node; this one waits for a place.");
    } else {
      this.#lost("The connection is lost.");
    }
  }

  #lost(why) {
    this.#failures += 1;
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** Math.min(this.#failures, 6)) * (0.75 + Math.random() / 2);
    this.#tell("lost", `${why} Trying again…`);
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #tell(state, why) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, why } }));
  }
}

async function askAccess() {
  try {
    const response = await fetch("access", { cache: "no-store", credentials: "omit" });
    return response.ok ? (await response.json()).access : null;
  } catch {
    return null;
  }
}
