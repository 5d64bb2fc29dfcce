// Everybody, endlessly: pages are read as the end comes near, and what is far away is taken out
// of the document again (its height stays), so that 100,000 scroll like 100.

import { get } from "./api.js";
import { card } from "./card.js";
import { $, h, show } from "./dom.js";
import { plural, typedTime } from "./format.js";
import { mergeable, offerMerging } from "./merging.js";

const PAGE = 60;
const NEAR = "1500px 0px"; // around the window

const WHOM = { others: { staff: false }, staff: { staff: true }, watched: { watched: true } };

const gallery = $("gallery");
const form = $("filters");
const shown = new Set(); // numbers, since somebody may move to another page meanwhile
let next = null;
let version = 0;
let reading = null;

const near = new IntersectionObserver(
  (entries) => entries.forEach(({ target, isIntersecting }) => (isIntersecting ? fill(target) : clear(target))),
  { rootMargin: NEAR },
);

function fill(page) {
  if (page.childElementCount) return;
  page.append(...page.people.map((person) => mergeable(person, card(person))));
  page.style.minHeight = "";
}

function clear(page) {
  if (!page.childElementCount || page.contains(document.activeElement)) return;
  page.style.minHeight = `${page.offsetHeight}px`;
  page.replaceChildren();
}

function values() {
  const data = new FormData(form);
  const [sort, order] = data.get("sort").split(":");
  return {
    sort,
    order,
    camera: data.get("camera"),
    since: typedTime(data.get("since")),
    until: typedTime(data.get("until")),
    ...WHOM[data.get("whom")],
  };
}

async function read(again) {
  if (reading && !again) return;
  reading?.abort();
  const mine = (reading = new AbortController());
  gallery.setAttribute("aria-busy", "true");
  try {
    const answer = await get(
      "/identities", { ...values(), limit: PAGE, after: again ? "" : next }, mine.signal);
    if (again) start(answer);
    next = answer.next;
    add(answer.identities);
    say(answer.total);
  } catch (error) {
    if (error.name === "AbortError") return;
    fail(error.message);
  }
  reading = null;
  gallery.setAttribute("aria-busy", "false");
  if (next && $("more").getBoundingClientRect().top < innerHeight + 1000) read(false);
}

function start(answer) {
  near.disconnect();
  gallery.replaceChildren();
  shown.clear();
  version = answer.version;
  show($("fresh"), false);
}

function add(people) {
  const fresh = people.filter((person) => !shown.has(person.identity));
  fresh.forEach((person) => shown.add(person.identity));
  if (!fresh.length) return;
  const page = h("ul", { class: "cards" });
  page.people = fresh;
  fill(page);
  gallery.append(page);
  near.observe(page);
}

function say(total) {
  $("count").textContent = plural(total, "person", "people");
  const filtered = [...new FormData(form)].some(([name, value]) => name !== "sort" && value);
  show($("clear"), filtered);
  $("empty").textContent = filtered ? "Nobody fits." : "Nobody was seen yet.";
  show($("empty"), total === 0);
}

function fail(message) {
  next = null;
  $("empty").textContent = message;
  show($("empty"), !shown.size);
}

function remember() {
  const parts = [...new FormData(form)].filter(([, value]) => value && value !== "last_seen:desc");
  history.replaceState(null, "", parts.length ? `?${new URLSearchParams(parts)}` : location.pathname);
}

for (const [name, value] of new URLSearchParams(location.search)) {
  if (form.elements[name]) form.elements[name].value = value;
}
form.addEventListener("change", () => {
  remember();
  read(true);
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => {
  remember();
  read(true);
}));
$("fresh").addEventListener("click", () => {
  scrollTo({ top: 0 });
  read(true);
});
new IntersectionObserver(([end]) => end.isIntersecting && next && read(false), {
  rootMargin: "1000px",
}).observe($("more"));

// New people do not push away what somebody looks at; at the top the list follows by itself.
addEventListener("identities", ({ detail }) => {
  if (detail.version === version || reading) return;
  if (scrollY < 80 && !gallery.contains(document.activeElement)) {
    read(true);
    return;
  }
  $("fresh").textContent = "There is news: show it";
  show($("fresh"), true);
});

offerMerging(() => read(true));
read(true);
