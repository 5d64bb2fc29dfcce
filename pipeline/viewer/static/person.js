// One person: where and when, in order, with the reason for each link.

import { get } from "./api.js";
import { picture } from "./card.js";
import { corrections, drawChoice } from "./correct.js";
import { $, h, show } from "./dom.js";
import { clock, colour, day, duration, moment, number, plural, sameDay, span, title } from "./format.js";
import { drawWay, mapIn, sitePlan } from "./map.js";
import { playButton, player } from "./playback.js";
import { drawTimeline } from "./timeline.js";

const PAGE = 100;
const identity = Number($("person").dataset.identity);
const RULES = {
  "unlike everybody": "Nobody known then was alike.",
  "alike": "Clearly more alike than anybody else who could have been here.",
  "alike enough in the end": "The best of what was possible, after waiting for more evidence.",
  "not alike enough in the end": "Somebody new: nobody was alike enough, after waiting for more evidence.",
  "seen together with others": "Repaired: it fits these visits better when all are looked at together.",
  "was elsewhere at the same time": "Taken back: this person was elsewhere at the same time.",
};
const TERMS = {
  similarity: "appearance",
  cameras: "these cameras",
  lookalikes: "others look alike",
  transit: "time between the cameras",
  continuation: "goes on where a track broke off",
};

let visits = []; // the newest first, as read
let next = null;
let person = null;
let redrawMap = null;
const play = $("player") && player(() => visits.toReversed(), colour(identity)); // where it is recorded

async function load() {
  try {
    const [who, page] = await Promise.all([
      get(`/identities/${identity}`),
      get(`/identities/${identity}/visits`, { limit: Math.min(200, Math.max(PAGE, visits.length)) }),
    ]);
    person = who;
    visits = page.visits;
    next = page.next;
    draw();
  } catch (error) {
    fail(error);
  }
  $("person").setAttribute("aria-busy", "false");
}

async function earlier() {
  const page = await get(`/identities/${identity}/visits`, { limit: PAGE, after: next });
  visits = visits.concat(page.visits);
  next = page.next;
  draw();
}

function fail(error) {
  for (const id of ["trail-panel", "map-panel", "visits-panel"]) show($(id), false);
  $("summary").className = "";
  $("summary").replaceChildren(h("h1", {}, `Identity ${identity}`));
  const now = /part of (\d+) now/.exec(error.message);
  const link = now && h("a", { href: `/identities/${now[1]}` }, `Go to identity ${now[1]}`);
  $("empty").replaceChildren(error.message, ...(link ? [h("br"), link] : []));
  show($("empty"), true);
}

function draw() {
  show($("empty"), false);
  drawSummary();
  const inOrder = visits.toReversed();
  show($("trail-panel"), true);
  $("span").textContent = span(inOrder[0].start, Math.max(...inOrder.map((visit) => visit.end)));
  drawTimeline($("timeline"), inOrder, colour(identity));
  drawMap();
  show($("visits-panel"), true);
  $("visits-count").textContent = next
    ? `the last ${number(visits.length)} of ${number(person.visits)}`
    : plural(person.visits, "visit", "visits");
  show($("earlier"), next !== null);
  $("visits").replaceChildren(...inOrder.flatMap((visit, index) => item(visit, inOrder[index - 1])));
}

async function drawMap() {
  const plan = await sitePlan();
  if (!plan) return;
  show($("map-panel"), true);
  const say = (text) => { $("map-said").textContent = text || plan.problem; };
  say("");
  redrawMap ??= mapIn($("map"), plan, (place) => drawWay(place, visits.toReversed(), identity, say));
  redrawMap();
}

function drawSummary() {
  const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  const header = $("summary");
  header.className = "person";
  header.style.setProperty("--person", colour(identity));
  header.replaceChildren(
    h("span", { class: "photo" }, picture(person.crop, `Best picture of ${title(person)}`)),
    h(
      "div",
      {},
      h("h1", {}, title(person)),
      person.name && h("p", { class: "soft" }, `identity ${identity}`),
      h(
        "dl",
        {},
        ...fact("First seen", moment(person.first_seen)),
        ...fact("Last seen", moment(person.last_seen)),
        ...fact("Visits", number(person.visits)),
        ...fact("Cameras", person.cameras.join(", ")),
      ),
      corrections(person, () => visits, load),
    ),
  );
}

function item(visit, before) {
  const parts = [];
  if (!before || !sameDay(before.start, visit.start)) {
    parts.push(h("li", { class: "day" }, day(visit.start)));
  }
  if (visit.gap !== null) parts.push(h("li", { class: "gap" }, gap(visit, before)));
  parts.push(
    h(
      "li",
      { class: "visit", id: `visit-${visit.tracklet}`, tabindex: "-1", colour: colour(identity) },
      h("div", { class: "crops" }, ...pictures(visit)),
      h(
        "div",
        { class: "facts" },
        h("h3", {}, drawChoice(visit), visit.camera, visit.open && h("span", { class: "badge live" }, "in view")),
        h("p", {}, `${clock(visit.start)} – ${clock(visit.end)}, ${duration(visit.end - visit.start)}`),
        play && playButton(visit, play),
        why(visit),
      ),
    ),
  );
  return parts;
}

function gap(visit, before) {
  if (visit.gap < 0) return "overlaps the visit before";
  const where = before && before.camera !== visit.camera ? ` from ${before.camera} to ${visit.camera}` : "";
  return `${duration(visit.gap)}${where}`;
}

function pictures(visit) {
  if (!visit.crops.length) return [picture(null)];
  return visit.crops.map((crop) =>
    h("a", { href: crop.url, target: "_blank" },
      h("img", {
        src: crop.url,
        alt: `${visit.camera}, ${clock(crop.time)}, quality ${crop.quality.toFixed(2)}`,
        title: `${clock(crop.time)}, quality ${crop.quality.toFixed(2)}`,
        loading: "lazy",
        class: crop.url === visit.crop ? "best" : null,
      }),
    ),
  );
}

function why(visit) {
  const held = visit.decisions.at(-1);
  if (!held) return h("p", { class: "soft" }, "No reason is kept.");
  const confirmed = visit.confirmed_by && h("span", { class: "badge sure" }, `confirmed by ${visit.confirmed_by}`);
  return h(
    "div",
    { class: "why" },
    h("p", {}, h("span", { class: `badge ${held.decision}` }, held.decision), confirmed, " ",
      RULES[held.rule] ?? held.rule, sureness(held)),
    held.similarity !== null && meters(held),
    score(held),
    visit.decisions.length > 1 && former(visit.decisions.slice(0, -1)),
  );
}

function sureness({ confidence }) {
  return confidence === null ? "" : ` Right with a probability of ${Math.round(100 * confidence)} %.`;
}

function meters(decision) {
  const row = (name, value, kind) => [
    h("dt", {}, name),
    h("dd", {}, h("meter", { min: 0, max: 1, value: Math.max(0, value), class: kind, "aria-label": name }),
      h("span", {}, value.toFixed(2))),
  ];
  return h(
    "dl",
    { class: "meters" },
    ...row("similarity", decision.similarity, "own"),
    ...(decision.runner_up !== null
      ? row("next best", decision.runner_up, "other")
      : [h("dt", {}, "next best"), h("dd", { class: "soft" }, "nobody else was possible")]),
  );
}

function score(decision) {
  const terms = Object.entries(decision.terms).filter(([, value]) => value !== 0);
  if (terms.length < 2) return null;
  const sum = terms.reduce((total, [, value]) => total + value, 0);
  const parts = terms.map(([name, value]) => `${TERMS[name] ?? name} ${value.toFixed(2)}`);
  const nearest = decision.decision === "new" && decision.runner_up !== null;
  const whose = nearest ? "Score of the nearest" : "Score";
  return h("p", { class: "soft small" }, `${whose} ${sum.toFixed(2)} = ${parts.join(" + ")}`);
}

function former(decisions) {
  const line = (decision) => {
    const who = decision.identity === null ? "undecided" : `identity ${decision.identity}`;
    return h("li", {}, `${clock(decision.time)}: ${who}. ${RULES[decision.rule] ?? decision.rule}`);
  };
  return h(
    "details",
    {},
    h("summary", {}, plural(decisions.length, "earlier decision", "earlier decisions")),
    h("ul", {}, ...decisions.map(line)),
  );
}

$("earlier").addEventListener("click", () => earlier().catch(fail));
addEventListener("identities", ({ detail }) => {
  if (detail.changed === null || detail.changed.includes(identity)) load();
});
load();
