import type { FanoutEvent } from "./event.js";

/** Whoever wants to hear of events, in the order in which they said so. */
export class Handlers {
  #all = new Set<{ type: string; call: (event: FanoutEvent) => void }>();

  /** Adds one, for a type or for "*"; what is returned takes it away: from then on it is not called, not even once. */
  add(type: string, call: (event: FanoutEvent) => void): () => void {
    const handler = { type, call };
    this.#all.add(handler);
    return () => void this.#all.delete(handler);
  }

  /** Calls all that want it; what one throws goes to `failed` and keeps it from no other. */
  emit(event: FanoutEvent, failed: (error: unknown) => void): void {
    // A copy: who is added on the way hears the next event first.
    for (const handler of [...this.#all]) {
      if (!this.#all.has(handler) || (handler.type !== "*" && handler.type !== event.type)) continue;
      try {
        handler.call(event);
      } catch (error) {
        failed(error);
      }
    }
  }
}
