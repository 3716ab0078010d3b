/** A token, or what gives one: it is called for each attempt to connect, and before a token expires. */
export type TokenProvider = string | (() => string | Promise<string>);

/** Asks the provider. One of the two is called, later or at once. */
export type Ask = (given: (token: string) => void, failed: (error: unknown) => void) => void;

/**
 * A token that can go as a subprotocol, whose characters RFC 9110, section 5.6.2, lists.
 *
 * Throws a TypeError where it cannot; the token is not shown.
 */
export function checkedToken(token: unknown): string {
  if (typeof token !== "string" || !/^[\w!#$%&'*+\-.^`|~]+$/.test(token)) {
    throw new TypeError("this is no token (it is not shown); expected a JWT or a table token as text");
  }
  return token;
}
