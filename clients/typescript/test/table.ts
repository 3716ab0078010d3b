import { readdirSync, readFileSync } from "node:fs";

// Tests run in the package's folder.
const TABLE = "../behaviour";

type Json = Record<string, unknown>;

export interface Given {
  endpoint?: string;
  connected?: boolean;
  positions?: Json;
  heartbeat?: number;
  stored?: Json;
  tokens?: (string | Told)[];
  random?: number[];
  attempts?: number;
  attemptsMade?: number;
  offline?: boolean;
}

/** What the token provider says. */
export interface Told {
  name?: string;
  exp?: number;
  iat?: number;
  after?: number;
  fails?: boolean;
}

export interface Row {
  name: string;
  given?: Given;
  steps: { when: Json; then: Json[] }[];
}

export interface Page {
  title: string;
  rows: Row[];
}

/** The text of every file of the table. */
export function texts(): string[] {
  return readdirSync(TABLE)
    .sort()
    .map((name) => readFileSync(`${TABLE}/${name}`, "utf8"));
}

export function pages(): Page[] {
  return texts().map((text) => JSON.parse(text));
}
