// The cases of which the matcher is not sure, one after the other, answered with one key.

import { change, get } from "./api.js";
import { picture } from "./card.js";
import { attempt } from "./dialog.js";
import { $, h, show } from "./dom.js";
import { clock, colour, day, number, title } from "./format.js";
import { toast } from "./toast.js";

const KEYS = { s: "same", d: "different", k: "skip" };
const DONE = {
  true: { same: "Kept together: one person.", different: "Split off: somebody else.", skip: "Skipped." },
  false: { same: "Put together: one person.", different: "Kept apart: two people.", skip: "Skipped." },
};
const buttons = Object.values(KEYS).map((answer) => $(answer));

let questions = [];
let busy = false;

async function load() {
  try {
    const found = await get("/review");
    questions = found.questions;
    $("left").textContent = found.total ? `${number(found.total)} left` : "";
    draw();
  } catch (error) {
    questions = [];
    draw();
    $("empty").textContent = error.message;
  }
  working(false);
}

function draw() {
  const [question] = questions;
  show($("case"), question !== undefined);
  show($("empty"), question === undefined);
  $("empty").textContent = "Nothing to ask: the matcher is sure of everything, or you have answered it all.";
  if (!question) return;
  $("question").textContent = question.together
    ? `Are both ${title(question.identity)}?`
    : `Are these ${title(question.identity)} and ${title(question.candidate)} one person?`;
  $("why").textContent = why(question);
  side("shown", question.identity, question.shown, question.together ? "This visit" : null);
  side("other", question.candidate, question.other, null);
}

function why({ together, similarity, runner_up }) {
  if (together) {
    const next = runner_up === null ? "" : `; the next best was alike by ${runner_up.toFixed(2)}`;
    return similarity === null ? "" : `The matcher says yes, but only just: alike by ${similarity.toFixed(2)}${next}.`;
  }
  return runner_up === null ? "" : `The matcher says no, but only just: alike by ${runner_up.toFixed(2)}.`;
}

function side(id, person, glimpse, name) {
  const place = $(id);
  place.style.setProperty("--person", colour(person.identity));
  place.replaceChildren(
    h("h3", {}, name ?? h("a", { href: `/identities/${person.identity}` }, title(person))),
    h("figure", {},
      h("div", { class: "crops" },
        ...(glimpse.crops.length
          ? glimpse.crops.map((url, index) => picture(url, index ? "" : `Seen in ${glimpse.camera}`))
          : [picture(null)])),
      h("figcaption", { class: "soft small" },
        `${glimpse.camera}, ${day(glimpse.start)}, ${clock(glimpse.start)} – ${clock(glimpse.end)}`)),
  );
}

async function say(answer) {
  const [question] = questions;
  if (!question || busy) return;
  working(true);
  try {
    const { correction } = await attempt((force) => change("POST", `/review/${question.tracklet}`, {
      answer,
      identity: question.identity.identity,
      candidate: question.candidate.identity,
      compared: question.compared,
      force,
    }));
    toast(DONE[question.together][answer], correction === null ? [] : [correction]);
    await load(); // others may be answered with it, or asked now
  } catch (error) {
    toast(error.message);
    working(false);
  }
}

function working(now) {
  busy = now;
  $("case").setAttribute("aria-busy", String(now));
}

for (const button of buttons) button.addEventListener("click", () => say(button.id));
$("keys").checked = localStorage.getItem("review-keys") !== "off";
$("keys").addEventListener("change", ({ target }) => {
  localStorage.setItem("review-keys", target.checked ? "on" : "off");
});
addEventListener("keydown", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
  const answer = KEYS[event.key.toLowerCase()];
  if (plain && answer && $("keys").checked) say(answer);
});
load();
