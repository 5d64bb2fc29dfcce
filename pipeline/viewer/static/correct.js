// Puts right who is who: confirm, rename, merge, split and forget; marks staff and whom to watch for.

import { change } from "./api.js";
import { drawMarks } from "./card.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { plural, title } from "./format.js";
import { toast, toastNext } from "./toast.js";

const chosen = new Set(); // keys of the visits that are ticked
const watchers = new Set();

// A box at a visit, to choose it for a split.
export function drawChoice(visit) {
  return h("input", {
    type: "checkbox",
    class: "choice",
    "data-needs": "operator",
    "aria-label": `Choose the visit to ${visit.camera}`,
    title: "Choose it, to split it off",
    checked: chosen.has(visit.key),
    onchange: ({ target }) => {
      if (target.checked) chosen.add(visit.key);
      else chosen.delete(visit.key);
      for (const watch of watchers) watch();
    },
  });
}

// The marks of a person and the row of buttons; `visits()` are those shown, `changed()` is called
// afterwards.
export function corrections(person, visits, changed) {
  const task = {
    person,
    path: `/identities/${person.identity}`,
    stay: (text) => ({ correction }) => {
      chosen.clear();
      toast(text, [correction]);
      changed();
    },
    go: (text) => ({ identity, correction }) => {
      toastNext(text, [correction]);
      location.assign(`/identities/${identity}`);
    },
  };
  return h(
    "div",
    {},
    drawMarks(person),
    h(
      "div",
      { class: "corrections", "data-needs": "operator", role: "group", "aria-label": `Correct ${title(person)}` },
      confirm(task),
      rename(task),
      merge(task),
      split(task, visits),
      staff(task),
      watch(task),
      forget(task),
    ),
  );
}

function confirm({ person, path, stay }) {
  return button("Confirm", () =>
    dialog(
      "Confirm",
      [h("p", {}, `You looked: all ${plural(person.visits, "visit", "visits")} show one person. ` +
        "Nothing moves them any more.")],
      () => change("POST", `${path}/confirm`, {}),
      stay(`Confirmed ${title(person)}.`),
    ),
  );
}

function rename({ person, path, stay }) {
  return button("Rename", () => {
    const input = h("input", { name: "name", maxlength: 200, value: person.name ?? "", autocomplete: "off" });
    dialog(
      "Rename",
      [h("label", {}, "Name (empty takes it away)", input)],
      () => change("PUT", `${path}/name`, { name: input.value.trim() || null }),
      stay(`Renamed identity ${person.identity}.`),
    );
  });
}

function merge({ person, path, go }) {
  return button("Merge", () => {
    const input = h("input", { name: "other", type: "number", min: 1, required: true, autocomplete: "off" });
    dialog(
      "Merge",
      [h("p", {}, "Another identity is the same person. The older number stays."),
        h("label", {}, "Number of the other identity", input)],
      (force) => change("POST", `${path}/merge`, { other: Number(input.value), force }),
      (answer) => go(`Merged ${title(person)} and identity ${input.value}.`)(answer),
    );
  });
}

function split({ person, path, go }, visits) {
  const own = button("Split", () =>
    dialog(
      "Split",
      [h("p", {}, `${plural(chosen.size, "visit shows", "visits show")} somebody else, who gets a new number. ` +
        "Nothing puts the two together again.")],
      () => change("POST", `${path}/split`, { tracklets: [...chosen] }),
      go(`Split off ${title(person)}.`),
    ),
  );
  const watch = () => {
    const ticked = visits().filter((visit) => chosen.has(visit.key)).length;
    own.disabled = ticked === 0 || ticked === person.visits;
    own.title = own.disabled ? "Choose some of the visits below, not all" : "";
  };
  watchers.clear();
  watchers.add(watch);
  watch();
  return own;
}

function staff({ person, path, stay }) {
  const [name, done] = person.staff ? ["Not staff", "Not staff any more."] : ["Mark as staff", "Marked as staff."];
  return button(name, () => at(change("PUT", `${path}/staff`, { staff: !person.staff }), stay(done)));
}

function watch({ person, path, stay }) {
  if (person.watched !== null) {
    return button("Stop watching", () =>
      at(change("PUT", `${path}/watch`, { reason: null }), stay("Not watched for any more.")));
  }
  return button("Watch", () => {
    const input = h("input", { name: "reason", maxlength: 500, autocomplete: "off" });
    dialog(
      "Watch",
      [h("p", {}, `${title(person)} comes on the watch list, and carries a mark wherever people are shown.`),
        h("label", {}, "Why (may be empty)", input)],
      () => change("PUT", `${path}/watch`, { reason: input.value }),
      stay("On the watch list."),
    );
  });
}

function forget({ person, path }) {
  return button(
    "Forget",
    () =>
      dialog(
        "Forget",
        [h("p", {}, `All that is known of ${title(person)} is deleted: visits, pictures, name. ` +
          "It cannot be undone.")],
        () => change("DELETE", path),
        () => location.assign("/identities"),
        "alarm",
      ),
    "administrator",
  );
}

// Where nothing is asked before, what was wrong has to be said somewhere.
function at(asked, done) {
  asked.then(done, (error) => toast(error.message));
}

function button(text, onclick, needs = null) {
  return h("button", { type: "button", class: "plain", "data-needs": needs, onclick }, text);
}
