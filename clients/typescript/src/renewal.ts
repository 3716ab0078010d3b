import type { Ask } from "./provider.js";
import { Timer, type Timers } from "./timer.js";
import { secondsLeft } from "./token-expiry.js";

/** Between two refreshes: the gateway allows one in so many seconds. */
const PAUSE = 10;

/** So long before its end a token is replaced; a short-lived one after three quarters of what is left of it. */
const LEAD = 60;

/** What is waited at most: an earlier renewal does no harm. */
const LONGEST = 86_400;

/** Asks for a new token for a live connection before the old one expires, and sends it. */
export class Renewal {
  /** The token in use. */
  token = "";
  #ask: Ask;
  #send: (token: string) => void;
  #timers: Timers;
  #timer: Timer;
  #sent: string | undefined;
  // An answer of the provider that comes after its connection is nobody's.
  #epoch = 0;

  constructor(ask: Ask, send: (token: string) => void, timers: Timers) {
    this.#ask = ask;
    this.#send = send;
    this.#timers = timers;
    this.#timer = new Timer(timers);
  }

  /** A connection lives, with this token. */
  start(token: string): void {
    this.stop();
    this.token = token;
    const left = secondsLeft(token, this.#timers.time());
    if (left !== undefined) this.#after(Math.min(Math.max(left - Math.min(LEAD, left / 4), PAUSE), LONGEST));
  }

  /** The gateway has taken the token that was sent last. */
  accepted(): void {
    if (this.#sent !== undefined) this.start(this.#sent);
  }

  /** The gateway has not taken it, and the old one stays: ask again later. */
  refused(): void {
    if (this.#sent === undefined) return;
    this.#sent = undefined;
    this.#after(PAUSE);
  }

  /** The connection is gone. */
  stop(): void {
    this.#epoch++;
    this.#sent = undefined;
    this.#timer.cancel();
  }

  #after(seconds: number): void {
    this.#timer.set(seconds, () => this.#renew());
  }

  #renew(): void {
    const epoch = this.#epoch;
    this.#ask(
      (token) => {
        if (epoch !== this.#epoch) return;
        if (token === this.token) {
          this.#after(PAUSE);
          return;
        }
        this.#sent = token;
        this.#send(token);
      },
      () => {
        if (epoch === this.#epoch) this.#after(PAUSE);
      },
    );
  }
}
