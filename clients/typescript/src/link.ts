import { ABNORMAL, NORMAL } from "./close-codes.js";

/** Hears of one link. */
export interface LinkOwner {
  /** A message came. */
  message(text: unknown): void;
  /** It is over, or never came about; 1006 where no close frame came. The last that is heard of it. */
  closed(code: number, cause?: unknown): void;
}

/** One connection, from its first byte. Nothing throws, whatever state it is in. */
export interface Link {
  /** Sends, if it still can. */
  send(text: string): void;
  /** Closes in good order, with 1000. */
  close(): void;
  /** Cuts: nobody is there any more. */
  drop(): void;
}

// A method's parameter is compared both ways, so that the standard's WebSocket fits, and that of the package `ws`.
type Listener<Event> = { listen(event: Event): void }["listen"] | null;

/** The part of the standard's WebSocket that the client uses. */
export interface WebSocketLike {
  readonly readyState: number;
  onmessage: Listener<{ data: unknown }>;
  onclose: Listener<{ code: number }>;
  onerror: Listener<unknown>;
  send(text: string): void;
  close(code: number): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const OPEN = 1;

/**
 * `Link` on a WebSocket. Begins at once.
 *
 * The token goes as the subprotocol behind `bearer`, so that it stands in no URL and in no proxy's log.
 */
export function openLink(Socket: WebSocketConstructor, url: string, token: string, owner: LinkOwner): Link {
  let socket: WebSocketLike;
  try {
    socket = new Socket(url, ["bearer", token]);
  } catch (error) {
    // Content Security Policy, or mixed content. Said later, as every other failure is.
    queueMicrotask(() => owner.closed(ABNORMAL, error));
    return { send() {}, close() {}, drop() {} };
  }
  socket.onmessage = (event) => owner.message(event.data);
  socket.onclose = (event) => owner.closed(event.code);
  // `close` follows, and says as much. But a library that emits would throw where nobody listens.
  socket.onerror = () => {};
  const end = () => {
    // A dead connection's close takes as long as the platform likes; nobody waits for it.
    socket.onmessage = socket.onclose = null;
    socket.close(NORMAL);
  };
  return {
    send(text) {
      if (socket.readyState === OPEN) socket.send(text);
    },
    close: end,
    drop: end,
  };
}
