// The last minutes, one sample a second; counters become rates.

export const SECONDS = 300;

/** Samples of named numbers; null where nothing was heard, so that a curve has a gap and invents nothing. */
export class Series {
  #samples = [];
  #last = null;

  get samples() {
    return this.#samples;
  }

  get latest() {
    return this.#samples.at(-1)?.values ?? null;
  }

  /**
   * Add what is true now. `gauges` are shown as they are; of `counters` the growth per second since the last time,
   * and of one that went back (another process answers) nothing.
   */
  add(at, gauges, counters = {}) {
    const last = this.#last;
    this.#last = { at, counters };
    const values = { ...gauges };
    const seconds = last === null ? 0 : at - last.at;
    const gap = seconds > 5;
    for (const [name, value] of Object.entries(counters)) {
      const grown = last === null ? 0 : value - (last.counters[name] ?? value);
      values[name] = last === null || gap || grown < 0 || seconds <= 0 ? 0 : grown / seconds;
    }
    if (gap) this.#samples.push({ at: at - 1, values: null });
    this.#samples.push({ at, values });
    while (this.#samples.length > 0 && this.#samples[0].at < at - SECONDS - 2) this.#samples.shift();
  }

  /** The highest value of a name, and the mean, over what is kept. */
  peak(name) {
    return this.#samples.reduce((most, { values }) => Math.max(most, values?.[name] ?? 0), 0);
  }

  mean(name) {
    const heard = this.#samples.filter(({ values }) => values !== null);
    return heard.reduce((sum, { values }) => sum + values[name], 0) / Math.max(1, heard.length);
  }
}
