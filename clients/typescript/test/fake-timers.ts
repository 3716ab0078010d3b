import type { Timers } from "../src/timer.js";

export const EPOCH = 1_700_000_000;

/** `Timers` that stand still until `advance`. */
export class FakeTimers implements Timers {
  #now = 0;
  #calls: { at: number; call: () => void }[] = [];

  time(): number {
    return EPOCH + this.#now;
  }

  after(seconds: number, call: () => void): () => void {
    const entry = { at: this.#now + seconds, call };
    this.#calls.push(entry);
    return () => {
      this.#calls = this.#calls.filter((other) => other !== entry);
    };
  }

  /** Lets time pass, call by call. */
  advance(seconds: number): void {
    const end = this.#now + seconds;
    for (;;) {
      // A stable sort: of two that are due together, the older goes first.
      const [due] = this.#calls.filter(({ at }) => at <= end + 1e-9).sort((a, b) => a.at - b.at);
      if (due === undefined) break;
      this.#calls = this.#calls.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.call();
    }
    this.#now = end;
  }
}
