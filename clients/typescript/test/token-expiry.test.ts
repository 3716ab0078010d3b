import assert from "node:assert/strict";
import { it } from "node:test";
import { secondsLeft } from "../src/token-expiry.js";

const token = (claims: string) => `v1.${Buffer.from(claims).toString("base64url")}.s`;

it("claims are read in base64url, unpadded, whatever their length", () => {
  // The names make paddings of every length, and characters that base64 spells otherwise.
  for (const name of ["", "a", "aa", "???>>>", "ÿÿÿ"]) {
    assert.equal(secondsLeft(token(JSON.stringify({ name, exp: 100, iat: 0 })), 60), 40);
  }
});

it("without iat a wrong clock cannot be made up for", () => {
  assert.equal(secondsLeft(token('{"exp":100}'), 60), 40);
  assert.equal(secondsLeft(token('{"exp":100}'), 100), undefined);
});

it("a token that does not say is survived", () => {
  const silent = ["", "opaque", "a.b", "a.%.c", token("not json"), token("[]"), token("null"), token('{"exp":"soon"}')];
  for (const strange of silent) assert.equal(secondsLeft(strange, 0), undefined);
});
