import type { Timing } from "./timing.js";

/**
 * Counts the attempts since a connection held, and draws the waits between them.
 *
 * The algorithm is "full jitter" of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): any
 * wait from 0 to min(longest, first * 2 ** attempt).
 */
export class Backoff {
  attempts = 0;
  #timing: Timing;
  #uniform: () => number;

  /** `uniform` draws from [0, 1). */
  constructor(timing: Timing, uniform: () => number) {
    this.#timing = timing;
    this.#uniform = uniform;
  }

  /** Counts one more attempt: seconds to wait before it; undefined: there have been enough. */
  next(): number | undefined {
    const { attempts, firstWait, longestWait } = this.#timing;
    if (this.attempts >= attempts) return undefined;
    return this.#uniform() * Math.min(longestWait, firstWait * 2 ** this.attempts++);
  }

  /** A wait like that before the first attempt, which counts as none. */
  soon(): number {
    return this.#uniform() * this.#timing.firstWait;
  }

  /** A connection has held. */
  reset(): void {
    this.attempts = 0;
  }
}
