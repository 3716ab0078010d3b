// The operator key: asked for once, kept for this tab, never in an address.

import { byId, say } from "./dom.js";

const NAME = "fanout-console-key";

export function storedKey() {
  return sessionStorage.getItem(NAME);
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
}

/** Ask until something is entered; `problem` says why it is asked again. */
export function askKey(problem = "") {
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  say(byId("key-problem"), problem);
  input.value = "";
  return new Promise((resolve) => {
    // There is nothing behind it without a key, so Escape does not close it.
    dialog.addEventListener("cancel", stay);
    dialog.addEventListener("close", entered, { once: true });
    dialog.showModal();
    input.focus();

    function stay(event) {
      event.preventDefault();
    }
    function entered() {
      dialog.removeEventListener("cancel", stay);
      const key = input.value;
      input.value = "";
      sessionStorage.setItem(NAME, key);
      resolve(key);
    }
  });
}

/** The key as a subprotocol, which cannot hold every character: base64url of its UTF-8, unpadded. */
export function asSubprotocol(key) {
  const binary = String.fromCharCode(...new TextEncoder().encode(key));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
