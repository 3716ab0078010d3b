/** Time as the client sees it: a port, so that its tests move the clock. */
export interface Timers {
  /** Unix seconds, as this machine believes. */
  time(): number;
  /** Calls after so many seconds; what is returned calls it off, and does nothing once it has happened. */
  after(seconds: number, call: () => void): () => void;
}

// `setTimeout` takes a longer wait for none at all.
const LONGEST_MS = 2 ** 31 - 1;

/** `Timers` of the platform. */
export const platformTimers: Timers = {
  time: () => Date.now() / 1000,
  after(seconds, call) {
    const timer = setTimeout(call, Math.min(seconds * 1000, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};

/** At most one call that is still to come. */
export class Timer {
  #timers: Timers;
  #cancel: (() => void) | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Whether a call is still to come. */
  get running(): boolean {
    return this.#cancel !== undefined;
  }

  /** Calls after so many seconds, in place of what was to come. */
  set(seconds: number, call: () => void): void {
    this.cancel();
    this.#cancel = this.#timers.after(seconds, () => {
      this.#cancel = undefined;
      call();
    });
  }

  /** Calls nothing. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
