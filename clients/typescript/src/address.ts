/** The gateway's endpoints; the token decides which of them admit. */
export type Endpoint = "waiter" | "kitchen" | "admin" | "diner";

const ENDPOINTS: readonly string[] = ["waiter", "kitchen", "admin", "diner"];

/**
 * The URL of an endpoint: `url` is the gateway's, ws:// or wss://, with the prefix under which it is mounted.
 *
 * Throws a TypeError where it cannot be connected to. What is wrong is not shown where it may hold a token.
 */
export function endpointUrl(url: string, endpoint: string): string {
  if (!/^wss?:\/\/[^/]/.test(url)) {
    throw new TypeError("not the URL of a gateway; expected ws://host:port or wss://host");
  }
  if (/[?#@]/.test(url)) {
    throw new TypeError("a gateway's URL has no query, fragment or user; the token is given apart from it");
  }
  if (!ENDPOINTS.includes(endpoint)) {
    throw new TypeError(`no endpoint ${endpoint}; expected one of ${ENDPOINTS.join(", ")}`);
  }
  return `${url.replace(/\/+$/, "")}/ws/${endpoint}`;
}

/** The URL that asks for what came after `resume`; as it is where that is empty. */
export function resuming(url: string, resume: string): string {
  return resume === "" ? url : `${url}?resume=${encodeURIComponent(resume)}`;
}
