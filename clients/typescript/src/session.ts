import { Backoff } from "./backoff.js";
import { ABNORMAL, AUTH_FAILED, FINAL, POLICY_VIOLATION } from "./close-codes.js";
import type { FanoutEvent } from "./event.js";
import { Heartbeat } from "./heartbeat.js";
import type { Link, LinkOwner } from "./link.js";
import { isOwn, type Message, number, read } from "./message.js";
import type { PositionMap, Positions } from "./positions.js";
import type { Ask } from "./provider.js";
import { Renewal } from "./renewal.js";
import { Timer, type Timers } from "./timer.js";
import type { Timing } from "./timing.js";

/** Where a client stands. */
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

/** Why a client will not come back. */
export interface GiveUp {
  /** The last close code; 1006 where the last connection was lost or never came about. */
  code: number;
  /** How often in a row it has tried to come back. */
  attempts: number;
  /** What went wrong last, where it was the token provider or the platform. */
  cause?: unknown;
}

/** Hears what a session has to say, in order. Nothing may throw. */
export interface Outlet {
  state(state: State): void;
  event(event: FanoutEvent): void;
  stale(branches: number[]): void;
  throttled(dropped: number): void;
  /** The positions behind everything that has been delivered. */
  moved(positions: PositionMap): void;
  gaveUp(why: GiveUp): void;
}

/** What a session needs. */
export interface Needs {
  /** Begins a connection. */
  connect(resume: string, token: string, owner: LinkOwner): Link;
  ask: Ask;
  outlet: Outlet;
  positions: Positions;
  timers: Timers;
  timing: Timing;
  /** Draws from [0, 1). */
  uniform(): number;
}

/** One connection, from asking for its token on. What comes of a former one is not heard. */
interface Attempt extends LinkOwner {
  token: string;
  resumes: boolean;
  link?: Link;
}

/** The life of a client over all its connections, without any I/O. No method throws. */
export class Session {
  #needs: Needs;
  #backoff: Backoff;
  #heartbeat: Heartbeat;
  #renewal: Renewal;
  #deadline: Timer;
  #stable: Timer;
  #wait: Timer;
  #state: State = "idle";
  #attempt: Attempt | undefined;
  #offline = false;
  // From a `reconnect` hint: seconds to wait once this connection has ended.
  #hint: number | undefined;
  #hinted = false;
  // The token that was refused with 4001; a fresh one is asked for once.
  #refused: string | undefined;

  constructor(needs: Needs) {
    const { timers, timing } = needs;
    this.#needs = needs;
    this.#backoff = new Backoff(timing, needs.uniform);
    this.#heartbeat = new Heartbeat(
      () => this.#send("ping"),
      () => this.#drop(),
      timers,
      timing.answerWithin,
    );
    this.#renewal = new Renewal(
      needs.ask,
      (token) => this.#send(JSON.stringify({ type: "refresh_token", token })),
      timers,
    );
    this.#deadline = new Timer(timers);
    this.#stable = new Timer(timers);
    this.#wait = new Timer(timers);
  }

  get state(): State {
    return this.#state;
  }

  get positions(): PositionMap {
    return this.#needs.positions.snapshot();
  }

  // --- what the application says ---------------------------------------------------------------

  /** Connects, and stays connected; also after a give-up, from the beginning. */
  start(): void {
    if (this.#state !== "idle" && this.#state !== "closed") return;
    this.#backoff.reset();
    this.#refused = undefined;
    this.#begin();
  }

  /** Closes in good order, and does not come back. */
  stop(): void {
    if (this.#state === "closed") return;
    this.#leave()?.close();
    this.#become("closed");
  }

  /** Somebody looks at the client again, or the machine has slept: makes sure of the connection now. */
  wake(): void {
    if (this.#state === "open") this.#heartbeat.beat();
    else if (this.#state === "waiting" && !this.#offline && !this.#hinted) this.#begin();
  }

  /** The machine has no network: does not try. */
  offline(): void {
    this.#offline = true;
    // It may be another network's end: the connection is asked, not cut.
    if (this.#state === "open") this.#heartbeat.beat();
    else if (this.#state === "waiting" && !this.#hinted) this.#wait.cancel();
  }

  /** The machine has a network again. */
  online(): void {
    this.#offline = false;
    if (this.#state === "open") this.#heartbeat.beat();
    // Everybody behind one router hears of it at the same moment.
    else if (this.#state === "waiting" && !this.#wait.running) this.#beginAfter(this.#backoff.soon());
  }

  // --- connecting ------------------------------------------------------------------------------

  #begin(): void {
    this.#wait.cancel();
    this.#hint = undefined;
    this.#hinted = false;
    if (this.#offline) {
      this.#become("waiting");
      return;
    }
    const attempt: Attempt = {
      token: "",
      resumes: false,
      message: (text) => {
        if (attempt === this.#attempt) this.#onMessage(attempt, text);
      },
      closed: (code, cause) => {
        if (attempt === this.#attempt) this.#onClosed(attempt, code, cause);
      },
    };
    this.#attempt = attempt;
    this.#deadline.set(this.#needs.timing.welcomeWithin, () => this.#drop());
    this.#become("connecting");
    // Whoever was told may have stopped it.
    if (attempt !== this.#attempt) return;
    this.#needs.ask(
      (token) => {
        if (attempt !== this.#attempt) return;
        if (token === this.#refused) {
          this.#giveUp(AUTH_FAILED);
          return;
        }
        attempt.token = token;
        const resume = this.#needs.positions.resume();
        attempt.resumes = resume !== "";
        attempt.link = this.#needs.connect(resume, token, attempt);
      },
      (error) => attempt.closed(ABNORMAL, error),
    );
  }

  #beginAfter(seconds: number): void {
    this.#wait.set(seconds, () => this.#begin());
  }

  /** Nobody is there. */
  #drop(): void {
    this.#leave()?.drop();
    this.#comeBack(ABNORMAL);
  }

  // --- what the connection says ----------------------------------------------------------------

  #onMessage(attempt: Attempt, text: unknown): void {
    this.#heartbeat.heard();
    const message = read(text);
    if (message === undefined) return;
    if (message.type === "reconnect") {
      // Also to somebody who has not been welcomed, and will not be.
      this.#hint = number(message.after);
    } else if (this.#state === "connecting") {
      if (message.type === "welcome") this.#welcome(attempt, message);
    } else if (isOwn(message)) {
      this.#hear(message);
    } else {
      this.#event(message as unknown as FanoutEvent);
    }
  }

  #onClosed(attempt: Attempt, code: number, cause: unknown): void {
    const token = this.#state === "open" ? this.#renewal.token : attempt.token;
    this.#leave();
    if (code === POLICY_VIOLATION && attempt.resumes) {
      // They came from a storage that somebody else writes to: brought again, they would be refused again.
      this.#needs.positions.forget();
      this.#needs.outlet.moved({});
    }
    if (code === AUTH_FAILED && this.#refused === undefined) {
      this.#refused = token;
    } else if (FINAL.includes(code)) {
      this.#giveUp(code, cause);
      return;
    }
    this.#comeBack(code, cause);
  }

  #welcome(attempt: Attempt, message: Message): void {
    const { positions, timing, outlet } = this.#needs;
    this.#deadline.cancel();
    this.#stable.set(timing.stableAfter, () => {
      this.#backoff.reset();
      this.#refused = undefined;
    });
    this.#heartbeat.start(number(message.heartbeat) || timing.heartbeat);
    this.#renewal.start(attempt.token);
    const before = positions.resume();
    const stale = positions.welcome(message.positions, message.resumed);
    this.#become("open");
    if (attempt !== this.#attempt) return;
    if (stale.length > 0) outlet.stale(stale);
    // Behind `stale`: whoever stores positions must not have a new one with an old state.
    if (positions.resume() !== before) outlet.moved(positions.snapshot());
  }

  #hear(message: Message): void {
    const { outlet } = this.#needs;
    switch (message.type) {
      case "pong":
        this.#move(message.positions);
        break;
      case "gap": {
        const dropped = number(message.dropped);
        if (message.critical === true && typeof message.branch === "number") outlet.stale([message.branch]);
        else if (dropped !== undefined) outlet.throttled(dropped);
        break;
      }
      case "token_refreshed":
        this.#renewal.accepted();
        break;
      case "error":
        if (message.code === "bad_token" || message.code === "too_soon") this.#renewal.refused();
    }
  }

  #event(event: FanoutEvent): void {
    const { branch_id: branch, position } = event;
    if (typeof position !== "string" || typeof branch !== "number") {
      this.#needs.outlet.event(event);
    } else if (this.#needs.positions.passed(branch, position)) {
      this.#needs.outlet.event(event);
      this.#move({ [branch]: position });
    }
  }

  #move(positions: unknown): void {
    if (this.#needs.positions.move(positions)) this.#needs.outlet.moved(this.#needs.positions.snapshot());
  }

  // --- going and coming back -------------------------------------------------------------------

  /** Forgets the connection; it is the caller's to close, where it is not closed already. */
  #leave(): Link | undefined {
    const link = this.#attempt?.link;
    this.#attempt = undefined;
    this.#deadline.cancel();
    this.#stable.cancel();
    this.#wait.cancel();
    this.#heartbeat.stop();
    this.#renewal.stop();
    return link;
  }

  #comeBack(code: number, cause?: unknown): void {
    let wait = this.#backoff.next();
    if (wait === undefined) {
      this.#giveUp(code, cause);
      return;
    }
    if (this.#hint !== undefined) {
      wait = this.#hint;
      this.#hinted = true;
    }
    if (this.#hinted || !this.#offline) this.#beginAfter(wait);
    this.#become("waiting");
  }

  #giveUp(code: number, cause?: unknown): void {
    const attempts = this.#backoff.attempts;
    this.#leave();
    this.#become("closed");
    this.#needs.outlet.gaveUp(cause === undefined ? { code, attempts } : { code, attempts, cause });
  }

  #become(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#needs.outlet.state(state);
  }

  #send(text: string): void {
    this.#attempt?.link?.send(text);
  }
}
