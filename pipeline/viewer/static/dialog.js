// A question before something is done; it stays open with what was wrong where it could not be.

import { h } from "./dom.js";

// `act()` does it, `done(answer)` is called afterwards; `kind` is the class of the button.
export function dialog(name, content, act, done, kind = "") {
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
