// Light, dark, or as the system has it.

const ORDER = ["auto", "light", "dark"];
const KEY = "fanout-demo-theme";

export function themeButton(button) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme[0].toUpperCase() + theme.slice(1);
    button.setAttribute("aria-label", `Theme: ${theme === "auto" ? "as the system" : theme}`);
  };
  const stored = localStorage.getItem(KEY);
  apply(ORDER.includes(stored) ? stored : "auto");
  button.addEventListener("click", () => {
    const theme = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
    localStorage.setItem(KEY, theme);
    apply(theme);
  });
}
