// The cameras on a map, with the way of a person between them or with who is in view now. Drawn in
// the pixels of the page, so that letters and lines stay as large on a telephone.

import { get } from "./api.js";
import { s } from "./dom.js";
import { clock, colour, duration, plural, title } from "./format.js";

const HIGHEST = 460; // px
const MARGIN = 48; // px around the outermost cameras, where there is no floor plan
const DOT = 9; // px, radius of a camera
const TIMES = 4; // so many are named

let known = null;

// The map of the site, or null where site.yaml gives no positions.
export async function sitePlan() {
  known ??= get("/plan").catch(() => null);
  const plan = await known;
  return plan?.cameras.length ? plan : null;
}

// Draws into `box` again whenever its width changes; gives what draws at once.
export function mapIn(box, plan, draw) {
  const render = () => {
    const place = layout(plan, Math.max(240, box.clientWidth));
    box.replaceChildren(draw(place));
  };
  new ResizeObserver(render).observe(box);
  render();
  return render;
}

// From the plan's units to pixels of the page.
function layout(plan, room) {
  const floor = plan.floor_plan;
  const xs = plan.cameras.map(({ x }) => x);
  const ys = plan.cameras.map(({ y }) => y);
  const [left, top] = floor ? [0, 0] : [Math.min(...xs), Math.min(...ys)];
  const width = floor ? floor.width : Math.max(...xs) - left;
  const height = floor ? floor.height : Math.max(...ys) - top;
  const margin = floor ? 0 : MARGIN;
  const scale = Math.min(
    (room - 2 * margin) / Math.max(width, 1e-9),
    (HIGHEST - 2 * margin) / Math.max(height, 1e-9),
    floor || width || height ? Infinity : 1,
  );
  const size = { width: Math.ceil(width * scale + 2 * margin), height: Math.ceil(height * scale + 2 * margin) };
  const at = new Map(plan.cameras.map(({ camera, x, y }) =>
    [camera, { x: margin + (x - left) * scale, y: margin + (y - top) * scale }]));
  return { plan, size, at };
}

function ground({ plan, size }, label) {
  const picture = s("svg", { ...size, viewBox: `0 0 ${size.width} ${size.height}`, class: "map", role: "group",
    "aria-label": label });
  if (plan.floor_plan) {
    picture.append(s("image", { href: plan.floor_plan.url, ...size, preserveAspectRatio: "none" }));
  }
  return picture;
}

function camera(name, { x, y }, size, attributes, text) {
  const right = x > size.width - 80;
  return s("g", attributes,
    s("circle", { cx: x, cy: y, r: DOT }),
    s("text", { x: right ? x - DOT - 5 : x + DOT + 5, y: y - DOT - 1, "text-anchor": right ? "end" : "start" }, name),
    text && s("title", {}, text));
}

// A person's way: a curve for each pair of cameras, with the numbers of the steps. `say` shows a text
// while something is pointed at or has the focus.
export function drawWay(place, visits, identity, say) {
  const { at, size } = place;
  const placed = visits.filter((visit) => at.has(visit.camera));
  const picture = ground(place, `The way over the map: ${placed.map((visit) => visit.camera).join(", ")}`);
  const told = (element, text) => {
    for (const event of ["mouseenter", "focus"]) element.addEventListener(event, () => say(text));
    for (const event of ["mouseleave", "blur"]) element.addEventListener(event, () => say(""));
    return element;
  };
  for (const leg of legs(placed)) {
    const text = `${leg.from} to ${leg.to}: ${some(leg.steps, (step) =>
      `${clock(step.before.end)} – ${clock(step.after.start)} (${gap(step)})`)}`;
    picture.append(told(curve(leg, at, colour(identity), text), text));
  }
  for (const [name, point] of at) {
    const own = placed.filter((visit) => visit.camera === name);
    const text = own.length
      ? `${name}: ${some(own, (visit) => `${clock(visit.start)} for ${duration(visit.end - visit.start)}`)}`
      : `${name}: not seen here`;
    const drawn = camera(name, point, size, { class: own.length ? "camera seen" : "camera", colour: colour(identity) }, text);
    picture.append(own.length
      ? told(s("a", { href: `#visit-${own[0].tracklet}`, "aria-label": text }, drawn), text)
      : drawn);
  }
  return picture;
}

const gap = ({ before, after }) => (after.start > before.end ? duration(after.start - before.end) : "at once");

function some(items, text) {
  const more = items.length - TIMES;
  return items.slice(0, TIMES).map(text).join("; ") + (more > 0 ? `; and ${plural(more, "time", "times")} more` : "");
}

// Steps from one camera to another, by pair; `number` counts them in order.
function legs(visits) {
  const found = new Map();
  let number = 0;
  for (const [index, after] of visits.entries()) {
    const before = visits[index - 1];
    if (!before || before.camera === after.camera) continue;
    number += 1;
    const key = `${before.camera} ${after.camera}`;
    if (!found.has(key)) found.set(key, { from: before.camera, to: after.camera, steps: [] });
    found.get(key).steps.push({ number, before, after });
  }
  return [...found.values()];
}

// Bent to the left of who walks, so that both directions are seen.
function curve({ from, to, steps }, at, stroke, text) {
  const [a, b] = [at.get(from), at.get(to)];
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const along = { x: (b.x - a.x) / length, y: (b.y - a.y) / length };
  const bend = Math.min(34, 0.22 * length);
  const middle = { x: (a.x + b.x) / 2 + along.y * bend, y: (a.y + b.y) / 2 - along.x * bend };
  const top = { x: (a.x + 2 * middle.x + b.x) / 4, y: (a.y + 2 * middle.y + b.y) / 4 };
  const tip = (back, aside) => `${top.x - along.x * back - along.y * aside},${top.y - along.y * back + along.x * aside}`;
  const numbers = steps.slice(0, 3).map(({ number }) => number).join(", ") + (steps.length > 3 ? " …" : "");
  return s(
    "a",
    { href: `#visit-${steps[0].after.tracklet}`, class: "leg", "aria-label": text },
    s("path", { class: "way", d: `M${a.x} ${a.y}Q${middle.x} ${middle.y} ${b.x} ${b.y}`, stroke,
      "stroke-width": Math.min(6, 2 + steps.length / 2) }),
    s("polygon", { points: `${tip(-7, 0)} ${tip(5, 6)} ${tip(5, -6)}`, fill: stroke }),
    s("text", { x: top.x + along.y * 15, y: top.y - along.x * 15 + 4, "text-anchor": "middle" }, numbers),
    s("title", {}, text),
  );
}

// Who is in view of which camera: `people` as the list of those present has them.
export function drawPresence(place, people) {
  const { at, size } = place;
  const picture = ground(place, "Where people are in view");
  for (const [name, point] of at) {
    picture.append(camera(name, point, size, { class: "camera" }, null));
    people.filter((person) => person.camera === name).forEach(({ identity }, index) => {
      const angle = (index * Math.PI) / 4;
      const away = 2 * DOT + Math.floor(index / 8) * 12;
      picture.append(
        s("a", { href: `/identities/${identity.identity}`, "aria-label": `${title(identity)}, ${name}`,
          colour: colour(identity.identity), class: "somebody" },
          s("circle", { cx: point.x + away * Math.cos(angle), cy: point.y + away * Math.sin(angle), r: 6 }),
          s("title", {}, `${title(identity)}, ${name}`)),
      );
    });
  }
  return picture;
}
