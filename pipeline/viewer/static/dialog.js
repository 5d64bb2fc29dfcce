// A question before something is done; it stays open with what was wrong where it could not be.
// What contradicts what was seen is asked back, and done if the person insists.

import { h } from "./dom.js";

const INSIST = "Do it all the same";

// `act(force)` does it, `done(answer)` is called afterwards; `kind` is the class of the button.
export function dialog(name, content, act, done, kind = "") {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const yes = h("button", { class: kind }, name);
  let force = false;
  const insist = (now) => {
    force = now;
    yes.textContent = now ? INSIST : name;
  };
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
      const answer = await act(force);
      element.close();
      done(answer);
    } catch (error) {
      wrong.textContent = error.message;
      insist(error.contradiction === true);
      yes.disabled = false;
    }
  });
  form.addEventListener("input", () => insist(false)); // it is another question now
  element.addEventListener("close", () => element.remove());
  document.body.append(element);
  element.showModal();
  return element;
}

// Does it without a question, unless it contradicts what was seen; what `act` answers.
export async function attempt(act) {
  try {
    return await act(false);
  } catch (error) {
    if (!error.contradiction) throw error;
    return new Promise((resolve, reject) => {
      const asked = dialog(INSIST, [h("p", {}, error.message)], () => act(true), resolve);
      asked.addEventListener("close", () => reject(error)); // too late where it was done
    });
  }
}
