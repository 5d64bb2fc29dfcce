// Search by picture and by the order of cameras.

import { get, post } from "./api.js";
import { card } from "./card.js";
import { $, h, s, show } from "./dom.js";
import { duration, moment, plural, typedTime } from "./format.js";
import { picked } from "./picked.js";

const KINDS = ["image/jpeg", "image/png", "image/webp"];
let picture = null;
let address = null;

// By picture

async function search(values = {}) {
  const mine = picture;
  $("said").textContent = "Looking …";
  show($("whole"), false);
  show($("results"), false);
  try {
    const answer = await post("/search/picture", values, mine);
    if (mine !== picture) return;
    draw(answer);
    $("said").textContent = answer.message;
    show($("whole"), !answer.persons.length);
    showMatches(answer);
  } catch (error) {
    if (mine === picture) $("said").textContent = error.message;
  }
}

function take(file) {
  if (!file) return;
  if (address) URL.revokeObjectURL(address);
  picture = file;
  address = URL.createObjectURL(file);
  $("shown").replaceChildren();
  show($("shown"), false);
  if (file.type && !KINDS.includes(file.type)) {
    $("said").textContent = "This is no JPEG, PNG or WebP picture.";
    show($("results"), false);
    return;
  }
  search();
}

function draw({ width, height, persons, chosen }) {
  const boxes = persons.map(({ box: [x1, y1, x2, y2], confidence }, index) =>
    s(
      "g",
      {
        role: "button", tabindex: "0", class: index === chosen ? "chosen" : null,
        "aria-label": `Person ${index + 1}, found with confidence ${confidence.toFixed(2)}`,
        "aria-pressed": String(index === chosen),
        onclick: () => search({ person: index }),
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          search({ person: index });
        },
      },
      s("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 3 }),
      persons.length > 1 && s("text", { x: x1 + width / 100, y: y1 + height / 22, "font-size": height / 22 }, String(index + 1)),
    ),
  );
  $("shown").replaceChildren(
    h("img", { src: address, alt: "The picture that is searched for" }),
    s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" }, ...boxes),
  );
  show($("shown"), true);
}

function showMatches({ matches, threshold }) {
  if (!matches.length) return;
  const line = threshold === null ? "" : `threshold ${threshold.toFixed(2)}`;
  const likely = matches.filter((match) => match.alike !== false);
  const rest = matches.filter((match) => match.alike === false);
  const list = (some) => h("ul", { class: "cards" }, ...some.map((match) => h("li", {}, matched(match))));
  $("found").replaceChildren(
    ...(likely.length ? [list(likely)] : []),
    ...(rest.length
      ? [h("h3", { class: "below" }, "Below the threshold: probably others"), h("div", { class: "dim" }, list(rest))]
      : []),
  );
  results("Alike", line);
}

function matched({ identity, similarity }) {
  return card(identity, [
    h("span", { class: "similar" },
      h("meter", { min: 0, max: 1, value: Math.max(0, similarity), "aria-label": "similarity" }),
      similarity.toFixed(2)),
  ]);
}

// By the order of cameras

let next = null;
let asked = {};

async function follow(again) {
  if (again) {
    const data = new FormData($("sequence"));
    asked = {
      first: data.get("first"),
      then: data.get("then"),
      within: 60 * Number(data.get("within")),
      since: typedTime(data.get("since")),
      until: typedTime(data.get("until")),
    };
  }
  try {
    const answer = await get("/sequence", { ...asked, after: again ? "" : next });
    next = answer.next;
    const items = answer.found.map((sequel) => h("li", {}, sequence(sequel)));
    if (again) $("found").replaceChildren(h("ul", { class: "cards wide" }, ...items));
    else $("found").firstElementChild.append(...items);
    results(`${asked.first} and then ${asked.then}`, answer.total ? plural(answer.total, "time", "times") : "nobody");
    show($("more"), next !== null);
  } catch (error) {
    $("found").replaceChildren(h("p", { class: "empty" }, error.message));
    results("Not found", "");
  }
}

function sequence({ identity, left, came }) {
  const gap = came - left;
  const way = gap < 0 ? "before leaving" : `${duration(gap)} later`;
  return card(identity, [
    h("span", { class: "leap" }, `left ${asked.first} ${moment(left)}; in ${asked.then} ${way}`),
  ]);
}

function results(name, count) {
  $("results-title").textContent = name;
  $("results-count").textContent = count;
  show($("more"), false);
  show($("results"), true);
}

$("file").addEventListener("change", (event) => take(event.target.files[0]));
$("whole").addEventListener("click", () => search({ whole: true }));
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
addEventListener("paste", (event) => take(event.clipboardData.files[0]));
$("sequence").addEventListener("submit", (event) => {
  event.preventDefault();
  follow(true);
});
$("more").addEventListener("click", () => follow(false));
take(picked());
