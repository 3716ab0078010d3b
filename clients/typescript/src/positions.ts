/** Branch (its number in decimal) to position: opaque, compared for equality alone. */
export type PositionMap = Record<string, string>;

/** So many critical events of a branch are recognised when they come again. */
const REMEMBERED = 256;

/** Up to where the client has heard the critical events of each branch. */
export class Positions {
  #of: PositionMap;
  #seen: Record<string, Set<string>> = {};
  // Whether somebody holds a state that a loss would make stale: not before the first welcome of all.
  #begun: boolean;

  /** `stored` are positions of an earlier run; what cannot be one is left out. */
  constructor(stored?: unknown) {
    this.#of = valid(stored);
    this.#begun = Object.keys(this.#of).length > 0;
  }

  /** A copy. */
  snapshot(): PositionMap {
    return { ...this.#of };
  }

  /** What the gateway is asked to resume: `5:<position>,6:<position>`; empty for nothing. */
  resume(): string {
    return branches(this.#of)
      .map((branch) => `${branch}:${this.#of[branch]}`)
      .join();
  }

  /**
   * A connection begins where `welcome` says.
   *
   * Returns the branches of which events may be missing: on every connection but the first, all that were not resumed.
   */
  welcome(positions: unknown, resumed: unknown): number[] {
    const now = valid(positions);
    const answers = (resumed ?? {}) as Record<string, unknown>;
    const lost = branches({ ...this.#of, ...now }).filter((branch) => answers[branch] !== true);
    const stale = this.#begun ? lost : [];
    this.#begun = true;
    this.#of = now;
    return stale;
  }

  /** A critical event arrived: whether for the first time. `move` follows when it has been handed over. */
  passed(branch: number, position: string): boolean {
    this.#seen[branch] ??= new Set();
    const seen = this.#seen[branch];
    if (seen.has(position)) return false;
    seen.add(position);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value as string);
    return true;
  }

  /** Goes on to these positions, other branches stay where they are; whether anything changed. */
  move(positions: unknown): boolean {
    // A branch that a pong leaves out is kept: without its position, a later loss would go unnoticed.
    const moved = Object.entries(valid(positions)).filter(([branch, position]) => this.#of[branch] !== position);
    Object.assign(this.#of, Object.fromEntries(moved));
    return moved.length > 0;
  }

  /** Keeps no position: the gateway calls them malformed, and would do so again. */
  forget(): void {
    this.#of = {};
  }
}

function branches(positions: PositionMap): number[] {
  return Object.keys(positions)
    .map(Number)
    .sort((a, b) => a - b);
}

function valid(positions: unknown): PositionMap {
  return Object.fromEntries(
    Object.entries(positions ?? {}).filter(
      ([branch, position]) => /^[1-9]\d*$/.test(branch) && typeof position === "string" && position !== "",
    ),
  );
}
