// A list that is asked for every few seconds, while somebody can see it and the gateway is there.

import { say } from "./dom.js";

export class Refresh {
  #load;
  #seconds;
  #count;
  #visible = false;
  #enabled = false;
  #running = false;
  #again = false;
  #timer = 0;

  /** `load` fetches and shows; `count` is where the section says what went wrong. */
  constructor(section, { load, seconds, count }) {
    this.#load = load;
    this.#seconds = seconds;
    this.#count = count;
    new IntersectionObserver(([entry]) => {
      this.#visible = entry.isIntersecting;
      if (this.#visible) this.now();
    }).observe(section);
    document.addEventListener("visibilitychange", () => this.now());
  }

  set enabled(value) {
    this.#enabled = value;
    if (value) this.now();
  }

  /** Ask now, however long ago it was asked; while an answer is awaited, once more after it. */
  async now() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    if (!this.#enabled || !this.#visible || document.hidden) return;
    this.#running = true;
    this.#again = false;
    try {
      await this.#load();
    } catch (error) {
      say(this.#count, error.message);
    }
    this.#running = false;
    if (this.#again) this.now();
    else this.#timer = setTimeout(() => this.now(), this.#seconds * 1000);
  }
}
