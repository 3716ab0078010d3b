import { type Endpoint, endpointUrl, resuming } from "./address.js";
import type { AnyEvents, EventMap, FanoutEvent } from "./event.js";
import { Handlers } from "./handlers.js";
import { openLink, type WebSocketConstructor } from "./link.js";
import { type PositionMap, Positions } from "./positions.js";
import { checkedToken, type TokenProvider } from "./provider.js";
import { type GiveUp, Session, type State } from "./session.js";
import type { PositionStorage } from "./storage.js";
import { watch } from "./surroundings.js";
import { platformTimers } from "./timer.js";
import { DEFAULT_TIMING, type Timing } from "./timing.js";

export interface ClientOptions {
  /** The gateway's URL: `wss://host`, with the prefix under which it is mounted. */
  url: string;
  endpoint: Endpoint;
  /** A token, or what gives one: called for each attempt to connect, and before a token expires. */
  token: TokenProvider;
  /** Keeps positions for a later page; without it they are kept as long as the client lives. */
  storage?: PositionStorage;
  /** The constructor to connect with, where the platform has none: that of the package `ws` on Node 20. */
  WebSocket?: WebSocketConstructor;
  /** Other waits than the usual ones. */
  timing?: Partial<Timing>;
  /** Critical events of these branches may be missing from here on: fetch their state anew. */
  onStale?(branches: number[]): void;
  /** So many best-effort events were dropped here, because this client read too slowly. */
  onThrottled?(dropped: number): void;
  /** The client is closed and will not come back; `connect` begins anew. */
  onGiveUp?(why: GiveUp): void;
  onState?(state: State): void;
  /** What a handler, the token provider or the storage has thrown; `console.error` by default. */
  onError?(error: unknown): void;
}

/**
 * A client of the gateway that stays connected: it comes back after every loss where it left off.
 *
 * Events reach the handlers in order, each critical one once. `Events` maps event types to what they look like.
 */
export class FanoutClient<Events extends EventMap<Events> = AnyEvents> {
  #options: ClientOptions;
  #url: string;
  #socket: WebSocketConstructor;
  #handlers = new Handlers();
  #session: Session | undefined;
  #unwatch: (() => void) | undefined;
  // Tells a `connect` that waits for the storage whether it is still meant.
  #wanted: symbol | undefined;

  /** Throws a TypeError where an option cannot be used. Connects only when `connect` is called. */
  constructor(options: ClientOptions) {
    const socket = options.WebSocket ?? globalThis.WebSocket;
    if (socket === undefined) {
      throw new TypeError(
        "this platform has no WebSocket (Node has from 22 on): pass that of the package `ws` as option",
      );
    }
    if (typeof options.token === "string") checkedToken(options.token);
    this.#options = options;
    this.#url = endpointUrl(options.url, options.endpoint);
    this.#socket = socket;
  }

  /** Where the client stands. */
  get state(): State {
    return this.#session?.state ?? "idle";
  }

  /** Branch to the position behind the events that have been handed over. */
  get positions(): PositionMap {
    return this.#session?.positions ?? {};
  }

  /** Connects, and stays connected. Does nothing while it is; after `close` or a give-up it begins anew. */
  connect(): void {
    if (this.#wanted !== undefined) return;
    this.#wanted = Symbol();
    if (this.#session !== undefined || this.#options.storage === undefined) this.#start(undefined);
    else void this.#load(this.#options.storage, this.#wanted);
  }

  /** Closes the connection in good order; `on` keeps its handlers. */
  close(): void {
    this.#wanted = undefined;
    this.#session?.stop();
  }

  /**
   * Calls `handler` with each event of a type, or with every event ("*"); what is returned takes it away for good.
   * What it throws goes to `onError` and disturbs nobody else.
   */
  on(type: "*", handler: (event: Events[keyof Events & string]) => void): () => void;
  on<Type extends keyof Events & string>(type: Type, handler: (event: Events[Type]) => void): () => void;
  on(type: string, handler: (event: never) => void): () => void {
    return this.#handlers.add(type, handler as (event: FanoutEvent) => void);
  }

  async #load(storage: PositionStorage, wanted: symbol): Promise<void> {
    let stored: unknown;
    try {
      stored = await storage.load();
    } catch (error) {
      this.#failed(error);
    }
    if (wanted === this.#wanted) this.#start(stored);
  }

  #start(stored: unknown): void {
    this.#session ??= this.#newSession(stored);
    this.#unwatch = watch(this.#session);
    this.#session.start();
  }

  #newSession(stored: unknown): Session {
    const { onStale, onThrottled, onGiveUp, onState, storage, timing } = this.#options;
    return new Session({
      connect: (resume, token, owner) => openLink(this.#socket, resuming(this.#url, resume), token, owner),
      ask: (given, failed) => this.#ask(given, failed),
      positions: new Positions(stored),
      timers: platformTimers,
      timing: { ...DEFAULT_TIMING, ...timing },
      uniform: Math.random,
      outlet: {
        state: (state) => {
          if (state === "closed") {
            this.#wanted = undefined;
            this.#unwatch?.();
          }
          this.#tell(() => onState?.(state));
        },
        event: (event) => this.#handlers.emit(event, (error) => this.#failed(error)),
        stale: (branches) => this.#tell(() => onStale?.(branches)),
        throttled: (dropped) => this.#tell(() => onThrottled?.(dropped)),
        gaveUp: (why) => this.#tell(() => onGiveUp?.(why)),
        moved: (positions) => this.#tell(() => storage?.save(positions)),
      },
    });
  }

  #ask(given: (token: string) => void, failed: (error: unknown) => void): void {
    const { token } = this.#options;
    Promise.resolve()
      .then(() => checked(token))
      .then(given, (error) => {
        this.#failed(error);
        failed(error);
      });
  }

  /** Calls what is the application's: its errors are its own. */
  #tell(call: () => unknown): void {
    try {
      // Of an asynchronous function, too.
      Promise.resolve(call()).catch((error) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    (this.#options.onError ?? console.error)(error);
  }
}

/** Makes a client and connects it. */
export function connect<Events extends EventMap<Events> = AnyEvents>(options: ClientOptions): FanoutClient<Events> {
  const client = new FanoutClient<Events>(options);
  client.connect();
  return client;
}

async function checked(provider: TokenProvider): Promise<string> {
  return checkedToken(typeof provider === "string" ? provider : await provider());
}
