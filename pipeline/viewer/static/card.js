// One identity as a card: in the gallery and wherever people are listed.

import { h } from "./dom.js";
import { colour, duration, moment, plural, title } from "./format.js";

export function picture(url, alt) {
  return url
    ? h("img", { src: url, alt, loading: "lazy", decoding: "async" })
    : h("span", { class: "nobody" }, "no picture");
}

// Badges for the marks that somebody has; null where there are none.
export function drawMarks({ staff, watched }) {
  if (!staff && watched === null) return null;
  return h(
    "span",
    { class: "marks" },
    staff && h("span", { class: "badge" }, "staff"),
    watched !== null && h("span", { class: "badge watched", title: watched || null },
      watched ? `watched: ${watched}` : "watched"),
  );
}

export function card(identity, extra = []) {
  const length = identity.last_seen - identity.first_seen;
  return h(
    "a",
    { class: "card", href: `/identities/${identity.identity}`, colour: colour(identity.identity) },
    h("span", { class: "photo" }, picture(identity.crop, "")),
    h(
      "span",
      { class: "facts" },
      h("b", {}, title(identity)),
      drawMarks(identity),
      h("span", {}, moment(identity.last_seen)),
      h("span", { class: "soft" }, `${plural(identity.visits, "visit", "visits")} in ${duration(length)}`),
      h("span", { class: "soft cut" }, identity.cameras.join(" → ")),
      ...extra,
    ),
  );
}
