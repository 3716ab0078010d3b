// The gateway, and the demo's back end behind the buttons.

// The page may be mounted under a prefix: everything is beside it.
const BASE = new URL(".", document.baseURI);

/** Where WebSockets go. */
export const GATEWAY = new URL(BASE);
GATEWAY.protocol = BASE.protocol === "https:" ? "wss:" : "ws:";

/** Each window is somebody of its own, so that several do not share one user's connections. */
const WINDOW = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);

/** The page's own network, which is never cut. */
export const plain = { fetch: (url, options) => fetch(url, options) };

/** What the gateway or the back end has answered instead of what was asked for. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function restaurant() {
  return json(await fetch(new URL("demo/api/restaurant", BASE)));
}

/** A token for `{who}` or `{table, session}`, over that client's own line. */
export async function token(line, whom) {
  return (await post(line, "token", { ...whom, window: WINDOW })).token;
}

export async function seat(table, line = plain) {
  return (await post(line, "seat", { table })).session;
}

export async function act(line, what) {
  return post(line, "act", what);
}

export async function flood(events) {
  return post(plain, "flood", { events });
}

/** All critical events that are kept and that a token may see, in order. `path` is that of a catch-up endpoint. */
export async function history(line, path, token) {
  const events = [];
  const url = new URL(path, BASE);
  for (let more = true; more; ) {
    const page = await json(await line.fetch(url, { headers: { Authorization: `Bearer ${token}` } }));
    events.push(...page.events);
    more = page.more;
    url.searchParams.set("since", page.position);
  }
  return events;
}

async function post(line, name, body) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return json(await line.fetch(new URL(`demo/api/${name}`, BASE), options));
}

async function json(answer) {
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Refused(answer.status, typeof body.detail === "string" ? body.detail : `HTTP ${answer.status}`);
}
