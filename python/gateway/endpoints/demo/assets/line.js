// One client's own network, which can be cut while that of the others holds.

const REFUSED_AFTER = 300;

/** A WebSocket that loses its network as a phone in a cellar does. Keeps what the client asks of a WebSocket. */
class Socket {
  onmessage = null;
  onclose = null;
  onerror = null;
  #real;

  constructor(line, url, protocols) {
    if (line.isCut) {
      setTimeout(() => this.onclose?.({ code: 1006 }), REFUSED_AFTER);
      return;
    }
    const real = new WebSocket(url, protocols);
    real.onmessage = (event) => this.onmessage?.(event);
    real.onclose = (event) => {
      line.forget(this);
      this.onclose?.(event);
    };
    this.#real = real;
    line.hold(this);
  }

  get readyState() {
    return this.#real?.readyState ?? WebSocket.CLOSED;
  }

  send(text) {
    this.#real?.send(text);
  }

  close(code) {
    this.#real?.close(code);
  }

  /**
   * The network is gone. The client hears of it; the gateway does not, and goes on sending into nothing.
   * What is returned ends the real connection, as the gateway's heartbeat would.
   */
  lose() {
    const real = this.#real;
    real.onmessage = real.onclose = null;
    this.#real = undefined;
    this.onclose?.({ code: 1006 });
    return () => real.close();
  }
}

/** `cut` and `back` tell of its state; `WebSocket` and `fetch` go over it. */
export class Line extends EventTarget {
  #sockets = new Set();
  #deaf = [];
  #timer;
  #until = 0;

  constructor() {
    super();
    const line = this;
    this.WebSocket = class extends Socket {
      constructor(url, protocols) {
        super(line, url, protocols);
      }
    };
  }

  get isCut() {
    return this.#timer !== undefined;
  }

  /** Seconds until the network is back; 0 while it is there. */
  get left() {
    return this.isCut ? Math.max(0, Math.ceil((this.#until - performance.now()) / 1000)) : 0;
  }

  hold(socket) {
    this.#sockets.add(socket);
  }

  forget(socket) {
    this.#sockets.delete(socket);
  }

  cut(seconds) {
    if (this.isCut) return;
    this.#until = performance.now() + seconds * 1000;
    this.#timer = setTimeout(() => this.restore(), seconds * 1000);
    this.dispatchEvent(new Event("cut"));
    for (const socket of this.#sockets) this.#deaf.push(socket.lose());
    this.#sockets.clear();
  }

  restore() {
    if (!this.isCut) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const end of this.#deaf.splice(0)) end();
    this.dispatchEvent(new Event("back"));
  }

  async fetch(url, options) {
    if (this.isCut) throw new Error("no network");
    return fetch(url, options);
  }
}
