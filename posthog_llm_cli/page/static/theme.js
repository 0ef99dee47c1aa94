// Light or dark: what the system says, until the reader says otherwise. Nothing is stored: the page leaves no trace.
import { byId } from "./dom.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

export function setUpTheme(changed) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    byId("theme").setAttribute("aria-label", theme === "dark" ? "Light theme" : "Dark theme");
    changed();
  };
  let isChosen = false;
  dark.addEventListener("change", () => { if (!isChosen) apply(dark.matches ? "dark" : "light"); });
  byId("theme").addEventListener("click", () => {
    isChosen = true;
    apply(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  });
  apply(dark.matches ? "dark" : "light");
}
