// Ask before something that real clients feel. Cancel has the focus, and Escape is a no.

import { byId, say } from "./dom.js";

/** Whether it is to be done. `detail` is shown as it is, `danger` for what cannot be taken back. */
export function confirmed({ title, text, yes, detail = "", danger = false }) {
  const dialog = byId("confirm-dialog");
  const button = byId("confirm-yes");
  say(byId("confirm-title"), title);
  say(byId("confirm-text"), text);
  say(byId("confirm-detail"), detail);
  byId("confirm-detail").hidden = detail === "";
  say(button, yes);
  button.className = danger ? "danger" : "primary";
  dialog.returnValue = "no";
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}
