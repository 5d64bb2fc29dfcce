// In the gallery: one person is dragged on another, or several are ticked, and then they are one.

import { change } from "./api.js";
import { picture } from "./card.js";
import { dialog } from "./dialog.js";
import { $, h, show } from "./dom.js";
import { plural, title } from "./format.js";
import { toast } from "./toast.js";

const MOST = 20; // merged at once
const chosen = new Map(); // people by their numbers, in the order in which they were ticked
let dragged = null;
let changed = () => {};

// `again()` is called when people were merged.
export function offerMerging(again) {
  changed = again;
  $("merge").addEventListener("click", () => ask([...chosen.values()]));
  $("unchoose").addEventListener("click", clear);
  draw();
}

// A card that can be ticked, dragged, and dropped upon.
export function mergeable(person, card) {
  const box = h("input", {
    type: "checkbox",
    class: "tick",
    "data-needs": "operator",
    "aria-label": `Choose ${title(person)}, to merge`,
    checked: chosen.has(person.identity),
    onchange: () => {
      if (box.checked) chosen.set(person.identity, person);
      else chosen.delete(person.identity);
      draw();
    },
  });
  const item = h("li", {
    class: "mergeable",
    ondragstart: (event) => {
      dragged = person;
      event.dataTransfer.effectAllowed = "link";
      event.dataTransfer.setData("text/plain", title(person));
    },
    ondragend: () => (dragged = null),
    ondragover: (event) => {
      if (!dragged || dragged.identity === person.identity) return;
      event.preventDefault(); // it may be dropped here
      event.dataTransfer.dropEffect = "link";
      item.classList.add("over");
    },
    ondragleave: (event) => item.contains(event.relatedTarget) || item.classList.remove("over"),
    ondrop: (event) => {
      event.preventDefault();
      item.classList.remove("over");
      if (dragged && dragged.identity !== person.identity) ask([person, dragged]);
    },
  }, card, box);
  return item;
}

function clear() {
  chosen.clear();
  for (const box of document.querySelectorAll(".tick:checked")) box.checked = false;
  draw();
}

function draw() {
  show($("chosen"), chosen.size > 0);
  $("chosen-count").textContent = `${plural(chosen.size, "person", "people")} chosen`;
  $("merge").disabled = chosen.size < 2 || chosen.size > MOST;
}

function ask(people) {
  const sorted = people.toSorted((a, b) => a.identity - b.identity);
  const [first, ...others] = sorted;
  const done = [];
  const face = (person) =>
    h("li", {}, h("span", { class: "photo" }, picture(person.crop, "")), h("b", {}, title(person)));
  dialog(
    "Merge",
    [h("p", {}, `These are one person, who keeps the number ${first.identity}:`),
      h("ul", { class: "faces" }, ...sorted.map(face))],
    async (force) => {
      let insists = force; // on the one that was refused
      for (const other of others) {
        if (done.some(({ identity }) => identity === other.identity)) continue; // before it failed
        const body = { other: other.identity, force: insists };
        insists = false;
        const { correction } = await change("POST", `/identities/${first.identity}/merge`, body);
        done.push({ identity: other.identity, correction });
      }
    },
    () => {
      clear();
      toast(`Merged ${sorted.map(title).join(" and ")}.`, done.map(({ correction }) => correction));
      changed();
    },
  );
}
