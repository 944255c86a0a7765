// Light or dark: what the reader chose here, else what the system prefers. Runs before the page is drawn.
"use strict";
(() => {
  const KEY = "nverbench-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const keep = (value) => { try { localStorage.setItem(KEY, value); } catch { /* private windows keep nothing */ } };
  const chosen = () => stored() || (system.matches ? "dark" : "light");
  const root = document.documentElement;
  const apply = () => {
    root.dataset.theme = chosen();
    const button = document.getElementById("theme");
    if (!button) return;
    const dark = chosen() === "dark";
    button.hidden = false;
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Use light colours" : "Use dark colours");
    button.setAttribute("aria-pressed", String(dark));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => { keep(chosen() === "dark" ? "light" : "dark"); apply(); });
  });
})();
