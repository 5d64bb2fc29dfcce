// Says what was done, with a way back. It stays until it is closed or something else is said, also
// over the way to another page.

import { change } from "./api.js";
import { attempt } from "./dialog.js";
import { h } from "./dom.js";

const KEPT = "camtrail-toast";
const place = h("div", { class: "toast", role: "status" });
document.body.append(place);

// `corrections` are numbers in the order in which they were made; where several, all are undone.
export function toast(text, corrections = []) {
  const close = () => place.replaceChildren();
  const back = h("button", { type: "button", onclick: () => undo(corrections, back) }, "Undo");
  place.replaceChildren(
    h("span", {}, text),
    ...(corrections.length ? [back] : []),
    h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×"),
  );
}

// The same on the page that is shown next.
export function toastNext(text, corrections = []) {
  sessionStorage.setItem(KEPT, JSON.stringify({ text, corrections }));
}

async function undo(corrections, button) {
  button.disabled = true;
  try {
    let who = null;
    for (const number of corrections.toReversed()) {
      who = (await attempt((force) => change("POST", `/corrections/${number}/undo?force=${force}`))).identity;
    }
    toastNext("Undone.");
    // Whose page this is may be nobody's now.
    if (/^\/identities\/\d+$/.test(location.pathname)) location.assign(`/identities/${who}`);
    else location.reload();
  } catch (error) {
    toast(error.message);
  }
}

const kept = sessionStorage.getItem(KEPT);
sessionStorage.removeItem(KEPT);
if (kept) {
  const { text, corrections } = JSON.parse(kept);
  toast(text, corrections);
}
