// What every page has: dark or light, and whether the site is well.

import { change, listen } from "./api.js";
import { $, show } from "./dom.js";

const root = document.documentElement;

$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

$("logout")?.addEventListener("click", async () => {
  await change("DELETE", "/session").catch(() => {});
  location.assign("/login");
});

function notice(text) {
  if ($("notice").textContent !== text) $("notice").textContent = text;
  show($("notice"), text !== "");
}

let trouble = "";

listen(
  "/events",
  {
    cameras(now) {
      const running = now.cameras.filter(({ health }) => health && health.state !== "ended");
      trouble = now.store || (running.length && now.redis ? now.redis : "");
      notice(trouble);
      const well = running.filter((camera) => camera.health.state === "running");
      const health = $("health");
      health.textContent = running.length
        ? `${well.length} of ${now.cameras.length} cameras running`
        : "not running";
      health.dataset.state = !running.length ? "off" : well.length === now.cameras.length ? "well" : "ill";
      health.title = now.redis;
      show(health, true);
      dispatchEvent(new CustomEvent("cameras", { detail: now }));
    },
    identities(change) {
      dispatchEvent(new CustomEvent("identities", { detail: change }));
    },
  },
  (connected) => notice(connected ? trouble : "The viewer does not answer. Trying again …"),
);
