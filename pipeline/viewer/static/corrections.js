// What people corrected, the newest first, each with a way back.

import { change, get } from "./api.js";
import { attempt } from "./dialog.js";
import { $, h, show } from "./dom.js";
import { moment, plural } from "./format.js";
import { toast } from "./toast.js";

const KINDS = {
  confirm: "confirmed",
  merge: "merged",
  split: "split",
  rename: "renamed",
  staff: "marked as staff, or not",
  watch: "watched for, or not",
  forget: "forgotten",
  same: "one person, by two visits",
  different: "two people, by two visits",
  undo: "taken back",
};
let next = null;

async function read(again) {
  try {
    const page = await get("/corrections", { after: again ? "" : next });
    if (again) $("lines").replaceChildren();
    next = page.next;
    $("lines").append(...page.corrections.map(line));
    show($("history"), $("lines").childElementCount > 0);
    show($("empty"), !$("lines").childElementCount);
    show($("more"), next !== null);
  } catch (error) {
    $("empty").textContent = error.message;
    show($("empty"), true);
  }
  $("history").setAttribute("aria-busy", "false");
}

function line(correction) {
  const { number, kind, identity, other, undoes, undone_by: by } = correction;
  const who = [identity, other].filter((one) => one !== null);
  return h(
    "tr",
    {},
    h("td", {}, String(number)),
    h("td", {}, moment(correction.time)),
    h("td", {}, correction.author),
    h("td", {}, undoes === null ? KINDS[kind] : `took back ${undoes}`),
    h("td", {}, ...who.flatMap((one, index) =>
      [index ? ", " : "", h("a", { href: `/identities/${one}` }, String(one))])),
    h("td", {}, plural(correction.tracklets, "visit", "visits")),
    h("td", {}, by !== null ? `taken back by ${by}` : correction.undoable && button(number)),
  );
}

function button(number) {
  const undo = async ({ target }) => {
    target.disabled = true;
    try {
      await attempt((force) => change("POST", `/corrections/${number}/undo?force=${force}`));
      toast(`Correction ${number} is taken back.`);
      read(true);
    } catch (error) {
      toast(error.message);
      target.disabled = false;
    }
  };
  return h("button", {
    type: "button", class: "plain", "data-needs": "operator", "aria-label": `Undo correction ${number}`, onclick: undo,
  }, "Undo");
}

$("more").addEventListener("click", () => read(false));
read(true);
