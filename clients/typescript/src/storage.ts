import type { PositionMap } from "./positions.js";

/**
 * Keeps positions for one client: one endpoint, one subject. Both methods may be asynchronous.
 *
 * It is of use to an application that keeps what it makes of the events, too: whoever begins with an empty state fetches
 * all of it, and needs no position.
 */
export interface PositionStorage {
  /** What was saved last; nothing for a first run. */
  load(): PositionMap | null | undefined | Promise<PositionMap | null | undefined>;
  /** Keeps them, in place of those before. */
  save(positions: PositionMap): void | Promise<void>;
}

/** Keeps positions in `localStorage` or `sessionStorage`, under a key that names endpoint and subject. */
export function webStorage(storage: Pick<Storage, "getItem" | "setItem">, key: string): PositionStorage {
  return {
    load: () => JSON.parse(storage.getItem(key) ?? "null"),
    save: (positions) => storage.setItem(key, JSON.stringify(positions)),
  };
}
