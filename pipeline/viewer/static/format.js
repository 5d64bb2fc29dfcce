// Numbers and times as a person reads them, and the one colour of each identity.

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();
const GOLDEN_ANGLE = 137.508; // degrees: hues that stay apart however many there are

const asDate = (seconds) => new Date(seconds * 1000);

export const number = (value) => NUMBER.format(value);
export const clock = (seconds) => CLOCK.format(asDate(seconds));
export const day = (seconds) => DAY.format(asDate(seconds));
export const sameDay = (a, b) => asDate(a).toDateString() === asDate(b).toDateString();

export function moment(seconds) {
  return sameDay(seconds, Date.now() / 1000) ? clock(seconds) : `${day(seconds)}, ${clock(seconds)}`;
}

export function span(from, to) {
  const end = sameDay(from, to) ? clock(to) : `${day(to)}, ${clock(to)}`;
  return `${day(from)}, ${clock(from)} – ${end}`;
}

export function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${two(Math.floor((whole % 86400) / 3600))} h`;
}

export function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export function title(identity) {
  return identity.name ?? `Identity ${identity.identity}`;
}

export function colour(identity) {
  const lightness = identity % 2 ? 46 : 58; // two rings: neighbouring hues are hard to tell apart
  return `hsl(${Math.round((identity * GOLDEN_ANGLE) % 360)} 70% ${lightness}%)`;
}

// What a person typed as local time, in seconds since the epoch; "" for nothing.
export function typedTime(text) {
  return text ? new Date(text).getTime() / 1000 : "";
}
