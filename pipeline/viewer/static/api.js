// What the viewer's API answers, as plain objects.

const PREFIX = "/api/v1";
const LOGIN = "/login";
const csrf = document.querySelector("meta[name=csrf-token]")?.content;

export class ApiError extends Error {
  constructor(status, detail, contradiction = false) {
    super(detail);
    this.status = status;
    this.contradiction = contradiction; // of what was seen: it is done if it is asked with force
  }
}

async function answer(response) {
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error; // half an answer is none
    return {};
  });
  if (response.ok) return body;
  if (response.status === 401 && location.pathname !== LOGIN) {
    location.assign(`${LOGIN}?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const detail = typeof body.detail === "string" ? body.detail : "this request was not understood";
  throw new ApiError(response.status, detail, body.contradiction === true);
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
}

async function send(path, options) {
  const headers = csrf ? { ...options.headers, "X-CSRF-Token": csrf } : options.headers;
  try {
    return await fetch(PREFIX + path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The viewer does not answer.");
  }
}

export async function get(path, values = {}, signal = undefined) {
  return answer(await send(path + query(values), { signal }));
}

export async function post(path, values, body) {
  return answer(await send(path + query(values), { method: "POST", body }));
}

// Asks for a change: a body of plain values, or none.
export async function change(method, path, values) {
  const headers = { "Content-Type": "application/json" };
  const body = values === undefined ? {} : { headers, body: JSON.stringify(values) };
  return answer(await send(path, { method, ...body }));
}

// Events as they come; connects again by itself. Gives what ends it.
export function listen(path, handlers, onState = () => {}) {
  let source = null;
  let again = null;
  const begin = () => {
    source = new EventSource(PREFIX + path);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    source.addEventListener("open", () => onState(true));
    source.addEventListener("error", () => {
      onState(false);
      // The browser itself gives up for good where something else than a stream answers.
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(begin, 3000);
      get("/session").catch(() => {}); // it may be that the login has ended
    });
  };
  const end = () => {
    clearTimeout(again);
    source.close();
  };
  addEventListener("pagehide", end, { once: true });
  begin();
  return end;
}
