// Who looked at whom, and who changed what; the newest first.

import { get } from "./api.js";
import { $, h, show } from "./dom.js";
import { moment } from "./format.js";

const PAGE = 100;
let next = null;

async function read(again) {
  if (again) remember();
  try {
    const values = Object.fromEntries(new FormData($("filters")));
    const page = await get("/audit", { ...values, limit: PAGE, after: again ? "" : next });
    next = page.next;
    if (again) $("rows").replaceChildren();
    $("rows").append(...page.lines.map(row));
    $("empty").textContent = "There is no such line.";
  } catch (error) {
    next = null;
    $("rows").replaceChildren();
    $("empty").textContent = error.message;
  }
  show($("empty"), !$("rows").childElementCount);
  show($("more"), next !== null);
  $("lines").setAttribute("aria-busy", "false");
}

function row({ time, times, author, action, identities, detail }) {
  const people = identities.flatMap((number, index) => [
    index ? ", " : "",
    h("a", { href: `/identities/${number}` }, String(number)),
  ]);
  const more = Object.entries(detail)
    .filter(([name]) => !name.startsWith("identit")) // they stand in their own column
    .map(([name, value]) => `${name}: ${value}`);
  return h(
    "tr",
    {},
    h("td", {}, moment(time)),
    h("td", {}, author),
    h("td", {}, times > 1 ? `${action} (${times} times)` : action),
    h("td", {}, ...people),
    h("td", { class: "soft" }, more.join(", ")),
  );
}

function remember() {
  const parts = [...new FormData($("filters"))].filter(([, value]) => value);
  history.replaceState(null, "", parts.length ? `?${new URLSearchParams(parts)}` : location.pathname);
}

for (const [name, value] of new URLSearchParams(location.search)) {
  if ($("filters").elements[name]) $("filters").elements[name].value = value;
}
$("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  read(true);
});
$("more").addEventListener("click", () => read(false));
read(true);
