// The cameras now. The workers send frames while this page is open and visible.

import { get, listen } from "./api.js";
import { drawMarks, picture } from "./card.js";
import { $, h, s, show } from "./dom.js";
import { clock, colour, plural, title } from "./format.js";
import { drawPresence, mapIn, sitePlan } from "./map.js";
import { searchIn } from "./picked.js";

const STALE = 5000; // ms without a frame

const screens = new Map(
  [...document.querySelectorAll(".screen")].map((element) => [element.dataset.camera, screen(element)]),
);
let stop = () => {};

function screen(element) {
  const of = (selector) => element.querySelector(selector);
  const button = of(".picture");
  button.addEventListener("click", () => enlarge(large() ? null : element.dataset.camera));
  return { element, button, image: of("img"), boxes: of("svg"), nothing: of(".nothing"), figures: of(".figures"), at: 0 };
}

const large = () => new URLSearchParams(location.search).get("camera");

function enlarge(camera) {
  history.pushState(null, "", camera ? `?camera=${encodeURIComponent(camera)}` : location.pathname);
  arrange();
}

function arrange() {
  const one = screens.has(large()) ? large() : null;
  for (const [camera, { element, button }] of screens) {
    show(element, !one || camera === one);
    button.setAttribute("aria-label", one ? `${camera}; show all cameras` : `${camera}, large`);
  }
  $("screens").classList.toggle("one", one !== null);
  $("screens").dataset.count = one ? 1 : screens.size;
  $("live-title").textContent = one ?? "Live";
  show($("all"), one !== null);
  show($("find"), one !== null);
  watch(one ? [one] : [...screens.keys()]);
}

function watch(cameras) {
  stop();
  if (document.hidden) return;
  const query = cameras.map((camera) => `camera=${encodeURIComponent(camera)}`).join("&");
  stop = listen(`/live?${query}`, { frame: draw, away: ({ detail }) => say(`${detail}. Trying again …`) });
}

function say(text) {
  if ($("said").textContent !== text) $("said").textContent = text;
}

function draw(frame) {
  const own = screens.get(frame.camera);
  const { image, boxes, nothing, button } = own;
  say("");
  image.src = `data:image/jpeg;base64,${frame.image}`;
  button.style.aspectRatio = `${frame.width} / ${frame.height}`;
  boxes.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  boxes.replaceChildren(...frame.people.map((person) => box(person, frame)));
  own.at = performance.now();
  show(image, true);
  show(nothing, false);
}

function box({ box: [x1, y1, x2, y2], identity, name }, { height }) {
  const size = Math.max(height / 24, 11);
  const text = name ?? (identity === null ? "" : `#${identity}`);
  return s(
    "g",
    { class: "person", "data-identity": identity, colour: identity === null ? "#9aa5a3" : colour(identity) },
    s("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 4 }),
    text && s("text", { x: x1, y: Math.max(y1 - size / 3, size), "font-size": size }, text),
  );
}

function figures({ cameras, redis }) {
  for (const { camera, live, health } of cameras) {
    const own = screens.get(camera);
    if (!own) continue;
    own.element.dataset.state = health?.state ?? "off";
    const parts = health
      ? [health.state, `${health.fps.toFixed(1)} fps`, live && `${health.delay.toFixed(1)} s behind`,
        plural(health.tracks, "person", "people"), health.message]
      : ["not running"];
    own.figures.textContent = parts.filter(Boolean).join(" · ");
    if (performance.now() - own.at < STALE) continue;
    own.nothing.textContent = health
      ? { ended: "the file was read to its end" }[health.state] ?? health.message ?? ""
      : redis || "its worker does not run";
    show(own.nothing, true);
  }
}

let present = []; // in view, as last read
let redrawMap = null;

async function drawMap() {
  const plan = await sitePlan();
  if (!plan) return;
  show($("map"), true);
  redrawMap ??= mapIn($("map"), plan, (place) => drawPresence(place, present));
  redrawMap();
}

async function list() {
  const staff = $("no-staff").checked ? false : "";
  const people = await get("/present", { staff }).catch(() => null);
  if (!people) return;
  present = people;
  drawMap();
  $("present").replaceChildren(...people.map(({ identity, camera, since }) =>
    h("li", {},
      h("a", { href: `/identities/${identity.identity}`, colour: colour(identity.identity) },
        h("span", { class: "photo" }, picture(identity.crop, "")),
        h("span", {}, h("b", {}, title(identity)), drawMarks(identity), h("span", { class: "soft" }, `${camera}, since ${clock(since)}`)),
      )),
  ));
  $("present-count").textContent = people.length ? String(people.length) : "";
  show($("nobody"), !people.length);
}

$("all").addEventListener("click", () => enlarge(null));
$("find").addEventListener("click", () => searchIn(screens.get(large()).image));
addEventListener("keydown", (event) => event.key === "Escape" && large() && enlarge(null));
addEventListener("popstate", arrange);
$("no-staff").checked = localStorage.getItem("no-staff") === "yes";
$("no-staff").addEventListener("change", ({ target }) => {
  localStorage.setItem("no-staff", target.checked ? "yes" : "no");
  list();
});
addEventListener("cameras", ({ detail }) => figures(detail));
addEventListener("identities", list);
document.addEventListener("visibilitychange", arrange); // nothing is sent to a hidden page
setInterval(() => {
  for (const own of screens.values()) {
    own.element.classList.toggle("stale", own.at > 0 && performance.now() - own.at > STALE);
  }
}, 1000);
arrange();
list();
