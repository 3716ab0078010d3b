// The operator API, as /docs/reference/http.md has it.

import { storedKey } from "./key.js";

/** Why a request failed: `status` is 0 where the gateway could not be reached. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function get(path, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(set).toString();
  return call("GET", `../api/v1${path}${text && `?${text}`}`);
}

export function post(path, body = {}, headers = {}) {
  return call("POST", `../api/v1${path}`, body, headers);
}

export function remove(path) {
  return call("DELETE", `../api/v1${path}`);
}

/** A token for trying things out; in development. */
export function makeToken(wanted) {
  return call("POST", "token", wanted);
}

async function call(method, url, body, headers = {}) {
  const key = storedKey();
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(key === null ? {} : { Authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new ApiError("The gateway cannot be reached.", 0);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const wait = response.headers.get("Retry-After");
  const sentence = answer.error ?? answer.detail ?? `The gateway answered ${response.status}.`;
  throw new ApiError(`${sentence}${wait === null ? "" : ` Again in ${wait} s.`}`, response.status);
}
