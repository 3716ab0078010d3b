import { Timer, type Timers } from "./timer.js";

/**
 * Pings a live connection, and finds out that it is dead.
 *
 * Any message is a sign of life, not the pong alone: on a slow link the pong stands behind the events before it.
 */
export class Heartbeat {
  #ping: () => void;
  #dead: () => void;
  #answerWithin: number;
  #every = 0;
  #next: Timer;
  #deadline: Timer;

  /** `ping` sends one; `dead` is called when nothing has been heard for `answerWithin` seconds after one. */
  constructor(ping: () => void, dead: () => void, timers: Timers, answerWithin: number) {
    this.#ping = ping;
    this.#dead = dead;
    this.#answerWithin = answerWithin;
    this.#next = new Timer(timers);
    this.#deadline = new Timer(timers);
  }

  /** A connection lives: ping it every so many seconds. */
  start(every: number): void {
    this.stop();
    this.#every = every;
    this.#again();
  }

  /** Pings now, and from now on as often as before. */
  beat(): void {
    this.#again();
    this.#ping();
    // The oldest unanswered ping counts, where they follow each other faster than answers are due.
    if (!this.#deadline.running) this.#deadline.set(this.#answerWithin, this.#dead);
  }

  /** A message came. */
  heard(): void {
    this.#deadline.cancel();
  }

  /** The connection is gone. */
  stop(): void {
    this.#next.cancel();
    this.#deadline.cancel();
  }

  #again(): void {
    this.#next.set(this.#every, () => this.beat());
  }
}
