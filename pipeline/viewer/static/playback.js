// Plays what was recorded of a person's visits. The visit that was chosen has the clock; the other
// cameras in which the person is at that moment follow it.

import { get } from "./api.js";
import { $, h, s, show } from "./dom.js";
import { clock, duration } from "./format.js";
import { searchIn } from "./picked.js";

const DRIFT = 0.25; // s that a camera may be off the clock before it is set
const LEAP = 1.5; // s between two boxes, beyond which nothing is drawn

// One camera: its video and, over it, where the person is.
class View {
  constructor(visit, footage, colour) {
    this.visit = visit;
    this.footage = footage;
    this.piece = null;
    this.wanted = null; // where to go when the clip is there
    this.points = [];
    this.video = h("video", { muted: true, playsinline: true, preload: "auto", "aria-label": visit.camera });
    this.video.muted = true;
    this.boxes = s("svg", { "aria-hidden": "true" });
    this.element = h("figure", { class: "screen", "data-tracklet": visit.tracklet, colour },
      h("div", { class: "picture" }, this.video, this.boxes), h("figcaption", {}, h("b", {}, visit.camera)));
    this.video.addEventListener("loadedmetadata", () => {
      this.boxes.setAttribute("viewBox", `0 0 ${this.video.videoWidth} ${this.video.videoHeight}`);
      this.element.querySelector(".picture").style.aspectRatio = `${this.video.videoWidth} / ${this.video.videoHeight}`;
      if (this.wanted !== null) this.video.currentTime = this.wanted;
      this.wanted = null;
    });
  }

  // The capture time that is shown.
  get now() {
    return this.piece.start + (this.wanted ?? this.video.currentTime);
  }

  // What holds this moment, or else comes next; undefined behind the last.
  at(moment) {
    return this.footage.pieces.find((piece) => moment < piece.end);
  }

  show(piece, moment) {
    const place = Math.max(0, moment - piece.start);
    if (piece === this.piece && this.video.readyState > 0) {
      this.video.currentTime = place;
      return;
    }
    this.wanted = place;
    if (piece === this.piece) return;
    this.piece = piece;
    this.points = [];
    this.video.src = piece.clip;
    get(piece.path.replace("/api/v1", "")).then(({ points }) => {
      if (piece === this.piece) this.points = points;
    }).catch(() => {}); // it plays without boxes
  }

  draw(visible) {
    const box = visible && this.box(this.now);
    const [x1, y1, x2, y2] = box || [];
    this.boxes.replaceChildren(...(box
      ? [s("g", { class: "person" }, s("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 4 }))]
      : []));
  }

  // Between the two points around a moment.
  box(moment) {
    const next = this.points.findIndex(([time]) => time > moment);
    const after = this.points[next];
    const before = next < 0 ? this.points.at(-1) : this.points[next - 1];
    if (!before) return null;
    if (!after) return moment - before[0] < 0.2 ? before.slice(1) : null;
    if (after[0] - before[0] > LEAP) return null;
    const share = (moment - before[0]) / (after[0] - before[0]);
    return before.slice(1).map((value, index) => value + share * (after[index + 1] - value));
  }

  close() {
    this.video.removeAttribute("src");
    this.video.load(); // lets go of what was loaded
    this.element.remove();
  }
}

// The player of a page; `visits()` are those shown, in order of time.
export function player(visits, colour) {
  const footage = new Map(); // by tracklet: what can be played, as a promise
  let screens = [];
  let playing = false;
  let asked = 0; // counts what was asked for: only the last of it is shown
  let onward = null; // to the next visit, where there is one

  const lead = () => screens[0];
  const slider = $("player-time");

  function find(visit) {
    if (!footage.has(visit.tracklet) || visit.open) {
      footage.set(visit.tracklet, get(`/visits/${visit.tracklet}/footage`));
    }
    return footage.get(visit.tracklet);
  }

  function neighbours(visit) {
    const all = visits();
    const index = all.findIndex(({ tracklet }) => tracklet === visit.tracklet);
    const to = (other) => (other ? () => open(other) : null);
    const back = to(all[index - 1]);
    onward = index < 0 ? null : to(all[index + 1]);
    $("player-before").disabled = !back;
    $("player-before").onclick = back;
    $("player-after").disabled = !onward;
    $("player-after").onclick = onward;
  }

  async function open(visit) {
    const mine = ++asked;
    show($("player"), true);
    close();
    neighbours(visit);
    say(`${visit.camera} …`);
    try {
      const found = await find(visit);
      if (mine !== asked) return;
      const screen = add(visit, found);
      screen.video.addEventListener("error", () => say("This clip cannot be played, or is not recorded any more."));
      slider.min = found.start;
      slider.max = found.end;
      say("");
      seek(found.start);
      play(true);
    } catch (error) {
      footage.delete(visit.tracklet);
      if (mine === asked) say(`${visit.camera}, ${clock(visit.start)}: ${error.message}`);
    }
  }

  function add(visit, found) {
    const screen = new View(visit, found, colour);
    screens.push(screen);
    $("player-screens").append(screen.element);
    $("player-screens").dataset.count = screens.length;
    return screen;
  }

  function close() {
    for (const screen of screens) screen.close();
    screens = [];
  }

  function say(text) {
    $("player-said").textContent = text;
  }

  function play(on) {
    playing = on;
    $("player-play").textContent = on ? "Pause" : "Play";
    for (const { video } of screens) {
      if (on) video.play().catch(() => {}); // it was paused, or another clip was asked for
      else video.pause();
    }
  }

  function seek(moment) {
    const piece = lead()?.at(moment);
    if (piece) lead().show(piece, moment);
  }

  // The other cameras in which the person is now.
  function follow(now) {
    const others = visits().filter((visit) =>
      visit.tracklet !== lead().visit.tracklet && visit.camera !== lead().visit.camera
      && visit.start <= now && now <= visit.end);
    for (const screen of screens.slice(1)) {
      if (others.some(({ tracklet }) => tracklet === screen.visit.tracklet)) continue;
      screens = screens.filter((one) => one !== screen);
      screen.close();
    }
    const mine = asked;
    for (const visit of others) {
      const screen = screens.find((one) => one.visit.tracklet === visit.tracklet);
      if (screen) keepUp(screen, now);
      else {
        find(visit).then((found) => {
          const known = screens.some((one) => one.visit.tracklet === visit.tracklet);
          if (mine === asked && !known) add(visit, found);
        }).catch(() => {}); // nothing is recorded of it
      }
    }
  }

  function keepUp(screen, now) {
    const piece = screen.at(now);
    if (!piece) return;
    if (piece !== screen.piece || Math.abs(screen.now - now) > DRIFT) screen.show(piece, now);
    if (playing && screen.video.paused) screen.video.play().catch(() => {});
  }

  function tick() {
    requestAnimationFrame(tick);
    if (!lead()?.piece) return;
    const { now, piece, footage: { end } } = lead();
    const over = lead().video.ended || now >= piece.end;
    const more = over && lead().at(Math.max(now, piece.end));
    if (over && playing) {
      if (more) {
        lead().show(more, Math.max(now, piece.end));
        play(true);
      } else if (onward) onward();
      else play(false);
      return;
    }
    slider.value = now;
    $("player-clock").textContent = `${clock(now)} · ${duration(Math.max(0, end - now))} left`;
    slider.setAttribute("aria-valuetext", clock(now));
    follow(now);
    for (const screen of screens) if (screen.piece) screen.draw($("player-boxes").checked);
  }

  $("player-play").addEventListener("click", () => {
    if (!playing && lead()?.piece && lead().now >= lead().footage.end - 0.2) seek(lead().footage.start);
    play(!playing);
  });
  $("player-find").addEventListener("click", () => lead()?.piece && searchIn(lead().video));
  slider.addEventListener("input", () => seek(Number(slider.value)));
  $("player-close").addEventListener("click", () => {
    asked += 1;
    play(false);
    close();
    show($("player"), false);
  });
  tick();
  return open;
}

// What opens the player at a visit.
export function playButton(visit, open) {
  return h("button", { type: "button", class: "plain play", "aria-label": `Play the visit to ${visit.camera}, ${clock(visit.start)}`,
    onclick: () => {
      open(visit);
      $("player").scrollIntoView({ block: "nearest" });
    } }, "Play");
}
