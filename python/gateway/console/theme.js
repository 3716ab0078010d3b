// Light, dark, or what the system says; remembered in this browser.

import { byId } from "./dom.js";

const NAME = "fanout-console-theme";

export function keepTheme() {
  const select = byId("theme");
  select.value = localStorage.getItem(NAME) ?? "";
  const apply = () => {
    document.documentElement.dataset.theme = select.value;
    if (select.value) localStorage.setItem(NAME, select.value);
    else localStorage.removeItem(NAME);
  };
  select.addEventListener("change", apply);
  apply();
}
