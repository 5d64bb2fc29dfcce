// Swim lanes: a row a camera, a bar a visit, lines from one to the next. Long times without a
// visit are cut out of the axis and say how long they were.

import { s } from "./dom.js";
import { clock, day, duration, sameDay } from "./format.js";

const LANE = 34;
const BAR = 18;
const BREAK = 46; // px that a cut takes
const LEAST = 5; // px of a bar
const TICK = 100; // px between two times on the axis, about

let waiting = null;

export function drawTimeline(box, visits, colour) {
  waiting?.disconnect();
  waiting = new ResizeObserver(() => render(box, visits, colour));
  waiting.observe(box);
  render(box, visits, colour);
}

// Stretches of time that hold visits: a pause that is long beside all that was seen parts two.
function stretches(visits) {
  const seen = visits.reduce((sum, visit) => sum + visit.end - visit.start, 0);
  const pause = Math.max(60, Math.min(3600, 4 * seen));
  const found = [];
  for (const visit of visits) {
    const last = found.at(-1);
    if (last && visit.start - last.end <= pause) last.end = Math.max(last.end, visit.end);
    else found.push({ start: visit.start, end: visit.end });
  }
  return found;
}

function scaleOf(visits, left, width) {
  const parts = stretches(visits);
  const total = parts.reduce((sum, part) => sum + Math.max(part.end - part.start, 1), 0);
  const room = Math.max(40, width - left - 12 - (parts.length - 1) * BREAK);
  let x = left;
  for (const part of parts) {
    part.x = x;
    part.width = (room * Math.max(part.end - part.start, 1)) / total;
    x += part.width + BREAK;
  }
  const at = (time) => {
    const part = parts.findLast((p) => p.start <= time) ?? parts[0];
    return part.x + (part.width * (time - part.start)) / Math.max(part.end - part.start, 1);
  };
  return { parts, at };
}

function render(box, visits, colour) {
  const width = Math.max(280, box.clientWidth);
  const cameras = [...new Set(visits.map((visit) => visit.camera))];
  const left = Math.min(130, 26 + 8 * Math.max(...cameras.map((name) => name.length)));
  const { parts, at } = scaleOf(visits, left, width);
  const lane = new Map(cameras.map((name, index) => [name, 8 + index * LANE]));
  const bottom = 8 + cameras.length * LANE;
  const picture = s("svg", {
    width, height: bottom + 26, viewBox: `0 0 ${width} ${bottom + 26}`, class: "timeline", role: "group",
    "aria-label": `Visits to ${cameras.join(", ")} over time`,
  });
  for (const [name, y] of lane) {
    picture.append(
      s("rect", { class: "lane", x: left, y: y + 2, width: width - left - 4, height: LANE - 6, rx: 5 }),
      s("text", { class: "name", x: left - 10, y: y + LANE / 2 + 3, "text-anchor": "end" }, short(name)),
    );
  }
  axis(picture, parts, bottom);
  picture.append(links(visits, lane, at, colour), ...visits.map((visit) => bar(visit, lane, at, colour)));
  box.replaceChildren(picture);
}

const short = (name) => (name.length > 13 ? `${name.slice(0, 12)}…` : name);

function axis(picture, parts, bottom) {
  parts.forEach((part, index) => {
    const count = Math.max(1, Math.floor(part.width / TICK));
    for (let i = 0; i < count; i += 1) {
      const x = part.x + (part.width * i) / count;
      picture.append(
        s("path", { class: "tick", d: `M${x} 6V${bottom}` }),
        s("text", { class: "time", x, y: bottom + 17 }, clock(part.start + ((part.end - part.start) * i) / count)),
      );
    }
    const later = parts[index + 1];
    if (!later) return;
    const middle = part.x + part.width + BREAK / 2;
    const pause = later.start - part.end;
    picture.append(
      s("g", { class: "cut" },
        s("rect", { x: middle - BREAK / 2 + 5, y: 6, width: BREAK - 10, height: bottom - 6 }),
        s("text", { x: middle, y: bottom / 2 + 4, "text-anchor": "middle",
          transform: `rotate(-90 ${middle} ${bottom / 2})` },
        bottom > 90 ? duration(pause) : "⋯"),
        s("title", {}, `${duration(pause)} without a visit`)),
    );
  });
}

function links(visits, lane, at, colour) {
  const points = visits.flatMap((visit) => {
    const y = lane.get(visit.camera) + LANE / 2;
    return [`${at(visit.start)},${y}`, `${at(visit.end)},${y}`];
  });
  return s("polyline", { class: "way", points: points.join(" "), stroke: colour });
}

function bar(visit, lane, at, colour) {
  const x = at(visit.start);
  const when = `${sameDay(visit.start, Date.now() / 1000) ? "" : `${day(visit.start)}, `}${clock(visit.start)}`;
  const text = `${visit.camera}, ${when}, for ${duration(visit.end - visit.start)}`;
  return s(
    "a",
    { href: `#visit-${visit.tracklet}`, "aria-label": text },
    s("rect", {
      class: "bar", x, y: lane.get(visit.camera) + (LANE - BAR) / 2,
      width: Math.max(LEAST, at(visit.end) - x), height: BAR, rx: 4, fill: colour,
    }),
    s("title", {}, text),
  );
}
