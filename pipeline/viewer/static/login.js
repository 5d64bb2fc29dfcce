// Logs in, and goes on to the page that was asked for.

import { change, get } from "./api.js";
import { $ } from "./dom.js";

function goOn() {
  const to = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  location.replace(to.origin === location.origin ? to.href : "/"); // never to another site
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, password } = event.target.elements;
  const button = event.target.querySelector("button");
  button.disabled = true;
  $("wrong").textContent = "";
  try {
    await change("POST", "/session", { name: name.value, password: password.value });
    goOn();
  } catch (error) {
    $("wrong").textContent = error.message;
    password.value = "";
    password.focus();
  }
  button.disabled = false;
});

// Somebody who followed a link from elsewhere is logged in already: the browser keeps the cookie
// back until a page of ours asks.
get("/session").then(goOn, () => {});
