import { endpointUrl, resuming } from "../src/address.js";
import type { LinkOwner } from "../src/link.js";
import { Positions } from "../src/positions.js";
import { checkedToken } from "../src/provider.js";
import { Session } from "../src/session.js";
import { DEFAULT_TIMING } from "../src/timing.js";
import { EPOCH, FakeTimers } from "./fake-timers.js";
import type { Given, Told } from "./table.js";

type Json = Record<string, unknown>;

const BASE = "ws://gateway.test";
const KNOWN = "endpoint connected positions heartbeat stored tokens random attempts attemptsMade offline".split(" ");

/** A session with everything around it played by a row of the table. */
export class Stage {
  #reactions: Json[] = [];
  #timers = new FakeTimers();
  #owners: LinkOwner[] = [];
  #names: Record<string, string> = {};
  #tokens: (string | Told)[];
  #random: number[];
  #url: string;
  #session: Session;

  constructor(given: Given) {
    const strange = Object.keys(given).filter((key) => !KNOWN.includes(key));
    if (strange.length > 0) throw new Error(`the table says what nobody knows: ${strange}`);
    this.#tokens = [...(given.tokens ?? ["t1"])];
    this.#random = [...(given.random ?? [])];
    this.#url = endpointUrl(BASE, given.endpoint ?? "kitchen");
    this.#session = new Session({
      connect: (resume, token, owner) => this.#connect(resume, token, owner),
      ask: (ok, failed) => this.#ask(ok, failed),
      positions: new Positions(given.stored),
      timers: this.#timers,
      timing: { ...DEFAULT_TIMING, ...(given.attempts === undefined ? {} : { attempts: given.attempts }) },
      uniform: () => this.#random.shift() ?? 0.5,
      outlet: {
        state: (state) => this.#react({ state }),
        event: (event) => this.#react({ event }),
        stale: (stale) => this.#react({ stale }),
        throttled: (throttled) => this.#react({ throttled }),
        moved: (saved) => this.#react({ saved }),
        gaveUp: ({ code, attempts }) => this.#react({ giveUp: { code, attempts } }),
      },
    });
    if (given.offline) this.#session.offline();
    if (given.connected) {
      this.#session.start();
      const { heartbeat = 30, positions = {} } = given;
      this.#receive(JSON.stringify({ type: "welcome", connection_id: "c1", heartbeat, positions }));
    }
    if (given.attemptsMade) this.#fail(given.attemptsMade);
    this.#reactions = [];
  }

  /** Lets one thing happen; the reactions to it. */
  play(when: Json): Json[] {
    const [[verb, value] = ["", null], ...more] = Object.entries(when);
    if (more.length > 0) throw new Error("one thing at a time");
    switch (verb) {
      case "start":
      case "stop":
      case "wake":
      case "offline":
      case "online":
        this.#session[verb]();
        break;
      case "receive":
        this.#receive(JSON.stringify(value));
        break;
      case "receiveText":
        this.#receive(value as string);
        break;
      case "close":
        this.#owner.closed(value as number);
        break;
      case "wait":
        this.#timers.advance(value as number);
        break;
      default:
        throw new Error(`the table says what nobody knows: ${verb}`);
    }
    const reactions = this.#reactions;
    this.#reactions = [];
    return reactions;
  }

  get #owner(): LinkOwner {
    const owner = this.#owners.at(-1);
    if (owner === undefined) throw new Error("the row speaks of a connection before there is one");
    return owner;
  }

  #react(reaction: Json): void {
    this.#reactions.push(reaction);
  }

  #receive(text: string): void {
    this.#owner.message(text);
  }

  /** Comes to the last of so many attempts, without spending the row's random numbers. */
  #fail(times: number): void {
    const kept = this.#random;
    this.#random = [];
    this.#session.start();
    for (let made = 0; made < times; made++) {
      const before = this.#owners.length;
      this.#owner.closed(1006);
      while (this.#owners.length === before) this.#timers.advance(0.5);
    }
    this.#random = kept;
  }

  #ask(given: (token: string) => void, failed: (error: unknown) => void): void {
    this.#react({ ask: "token" });
    const said = (this.#tokens.length > 1 ? this.#tokens.shift() : this.#tokens[0]) ?? "";
    const told = typeof said === "string" ? { name: said } : said;
    if (told.fails) {
      failed(new Error("the provider fails"));
      return;
    }
    let token: string;
    try {
      token = checkedToken(this.#token(told));
    } catch (error) {
      failed(error);
      return;
    }
    if (told.after === undefined) given(token);
    else this.#timers.after(told.after, () => given(token));
  }

  #token({ name = "", exp, iat = 0 }: Told): string {
    let token = name;
    if (exp !== undefined) {
      const claims = JSON.stringify({ exp: EPOCH + exp, iat: EPOCH + iat, name });
      token = `v1.${Buffer.from(claims).toString("base64url")}.signature`;
    }
    this.#names[token] = name;
    return token;
  }

  #connect(resume: string, token: string, owner: LinkOwner) {
    const connect = resuming(this.#url, resume).slice(BASE.length);
    this.#react({ connect, token: this.#names[token] });
    this.#owners.push(owner);
    return {
      send: (text: string) => {
        if (text === "ping") {
          this.#react({ send: "ping" });
          return;
        }
        const message = JSON.parse(text);
        this.#react({ send: { ...message, token: this.#names[message.token] } });
      },
      close: () => this.#react({ close: 1000 }),
      drop: () => this.#react({ drop: true }),
    };
  }
}
