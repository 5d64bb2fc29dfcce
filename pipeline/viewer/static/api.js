// What the viewer's API answers, as plain objects.

const PREFIX = "/api/v1";

export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const detail = typeof body.detail === "string" ? body.detail : "this request was not understood";
  throw new ApiError(response.status, detail);
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
}

async function send(path, options) {
  try {
    return await fetch(PREFIX + path, options);
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

// Events as they come; the browser connects again by itself.
export function listen(path, handlers, onState = () => {}) {
  const source = new EventSource(PREFIX + path);
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  source.addEventListener("open", () => onState(true));
  source.addEventListener("error", () => {
    onState(false);
    // A proxy's or a starting server's error closes it for good.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => listen(path, handlers, onState), 3000);
    }
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}
