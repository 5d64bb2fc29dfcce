// Puts right who is who: confirm, rename, merge, split and forget.

import { change } from "./api.js";
import { h } from "./dom.js";
import { plural, title } from "./format.js";

const chosen = new Set(); // keys of the visits that are ticked
const watchers = new Set();

// A box at a visit, to choose it for a split.
export function drawChoice(visit) {
  return h("input", {
    type: "checkbox",
    class: "choice",
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

// The row of buttons for a person; `visits()` are those shown, `changed()` is called afterwards.
export function corrections(person, visits, changed) {
  const path = `/identities/${person.identity}`;
  const go = (identity) => location.assign(`/identities/${identity}`);
  const split = button("Split", () =>
    dialog(
      "Split",
      [h("p", {}, `${plural(chosen.size, "visit shows", "visits show")} somebody else, who gets a new number. ` +
        "Nothing puts the two together again.")],
      () => change("POST", `${path}/split`, { tracklets: [...chosen] }),
      ({ identity }) => go(identity),
    ),
  );
  const watch = () => {
    const own = visits().filter((visit) => chosen.has(visit.key)).length;
    split.disabled = own === 0 || own === person.visits;
    split.title = split.disabled ? "Choose some of the visits below, not all" : "";
  };
  watchers.clear();
  watchers.add(watch);
  watch();
  return h(
    "div",
    { class: "corrections", role: "group", "aria-label": `Correct ${title(person)}` },
    button("Confirm", () =>
      dialog(
        "Confirm",
        [h("p", {}, `You looked: all ${plural(person.visits, "visit", "visits")} show one person. ` +
          "Nothing moves them any more.")],
        () => change("POST", `${path}/confirm`, {}),
        changed,
      ),
    ),
    button("Rename", () => {
      const input = h("input", { name: "name", maxlength: 200, value: person.name ?? "", autocomplete: "off" });
      dialog(
        "Rename",
        [h("label", {}, "Name (empty takes it away)", input)],
        () => change("PUT", `${path}/name`, { name: input.value.trim() || null }),
        changed,
      );
    }),
    button("Merge", () => {
      const input = h("input", { name: "other", type: "number", min: 1, required: true, autocomplete: "off" });
      dialog(
        "Merge",
        [h("p", {}, "Another identity is the same person. The older number stays."),
          h("label", {}, "Number of the other identity", input)],
        () => change("POST", `${path}/merge`, { other: Number(input.value) }),
        ({ identity }) => (identity === person.identity ? changed() : go(identity)),
      );
    }),
    split,
    button("Forget", () =>
      dialog(
        "Forget",
        [h("p", {}, `All that is known of ${title(person)} is deleted: visits, pictures, name. ` +
          "It cannot be undone.")],
        () => change("DELETE", path),
        () => location.assign("/identities"),
        "alarm",
      ),
    ),
  );
}

function button(text, onclick) {
  return h("button", { type: "button", class: "plain", onclick }, text);
}

// Asks first; stays open with what was wrong where it could not be done.
function dialog(name, content, act, done, kind = "") {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const yes = h("button", { class: kind }, name);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "dialog-title" }, name),
    ...content,
    wrong,
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "plain", onclick: () => element.close() }, "Cancel"), yes),
  );
  const element = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    yes.disabled = true;
    try {
      const answer = await act();
      chosen.clear();
      element.close();
      done(answer);
    } catch (error) {
      wrong.textContent = error.message;
      yes.disabled = false;
    }
  });
  element.addEventListener("close", () => element.remove());
  document.body.append(element);
  element.showModal();
}
