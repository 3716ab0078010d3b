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
   * Add what is true now: `at` by our clock, `uptime` by that of who counted, in seconds. `gauges` are shown as they
   * are; of `counters` the growth per second of the uptime, since a message may come late, and the next one soon after.
   */
  add(at, uptime, gauges, counters) {
    const last = this.#last;
    if (last?.uptime === uptime) return; // the same numbers again
    this.#last = { at, uptime, counters };
    const gap = last !== null && at - last.at > 5;
    const seconds = last === null || gap ? 0 : uptime - last.uptime;
    const values = { ...gauges };
    for (const [name, value] of Object.entries(counters)) {
      // Another process counts from nought: nothing is known of its last second.
      values[name] = seconds > 0 ? Math.max(0, value - last.counters[name]) / seconds : 0;
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
