/** A WebSocket without a network: what is made of it is kept, and the test speaks for the gateway. */
export class FakeSocket {
  static all: FakeSocket[] = [];

  /** The newest one. */
  static get last(): FakeSocket {
    const last = FakeSocket.all.at(-1);
    if (last === undefined) throw new Error("nobody has connected");
    return last;
  }

  readyState = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  sent: string[] = [];
  closedWith: number | undefined;
  url: string;
  protocols: string[];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(code: number): void {
    this.closedWith = code;
  }

  /** The gateway says something; the first time the handshake is done with it. */
  hear(message: unknown): void {
    this.readyState = 1;
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The connection ends. */
  end(code: number): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

export const WELCOME = { type: "welcome", connection_id: "c1", heartbeat: 30, positions: {} };

/** Lets everything that waits for a promise go on. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));
