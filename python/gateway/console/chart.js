// One chart: areas on top of each other, or curves, over the last minutes. Pointer and arrow keys read it.

import { el, say, svg } from "./dom.js";
import { plural, rate, when } from "./format.js";
import { SECONDS } from "./series.js";

const HEIGHT = 132;
const TOP = 14;
const BOTTOM = 16;
const LEAST = 60;

export class Chart {
  #host;
  #lines;
  #stacked;
  #label;
  #series = null;
  #at = null; // what is read, as an offset from now in seconds; null is now
  #parts = {};
  #width = 320;
  #window = LEAST; // seconds from the left edge to the right one

  /** `lines` are `[name in the samples, label]`. */
  constructor(host, { title, unit, lines, stacked = false }) {
    this.#host = host;
    this.#lines = lines;
    this.#stacked = stacked;
    this.#label = title;
    const id = `${host.id}-title`;
    host.setAttribute("aria-labelledby", id);
    const parts = this.#parts;
    parts.value = el("strong", {}, "–");
    parts.note = el("span", {}, unit);
    parts.svg = svg("svg", { role: "slider", tabindex: "0", "aria-label": `${title}: read the last five minutes` });
    parts.svg.setAttribute("aria-valuemin", String(-SECONDS));
    parts.svg.setAttribute("aria-valuemax", "0");
    parts.at = el("div", { class: "at", hidden: "hidden" });
    parts.legend = lines.map(([, label], index) => {
      const value = el("b", {}, "–");
      return { value, item: el("li", { class: `s${index}` }, el("span", { class: "swatch" }), `${label} `, value) };
    });
    parts.peak = el("b", {}, "–");
    parts.mean = el("b", {}, "–");
    const legend = el("ul", { class: "legend" }, lines.length > 1 ? parts.legend.map(({ item }) => item) : [
      el("li", {}, "highest ", parts.peak), el("li", {}, "mean ", parts.mean),
    ]);
    host.append(
      el("h3", { id }, title),
      el("div", { class: "chart" }, el("p", { class: "figure" }, parts.value, parts.note), parts.svg, parts.at, legend),
    );
    this.#listen();
    this.#describe();
  }

  draw(series) {
    this.#series = series;
    const latest = series.latest ?? {};
    const values = this.#lines.map(([name]) => latest[name] ?? 0);
    say(this.#parts.value, rate(values.reduce((sum, value) => sum + value, 0)));
    this.#lines.forEach(([name], index) => say(this.#parts.legend[index].value, rate(latest[name])));
    if (this.#lines.length === 1) {
      say(this.#parts.peak, rate(series.peak(this.#lines[0][0])));
      say(this.#parts.mean, rate(series.mean(this.#lines[0][0])));
    }
    this.#plot();
  }

  #plot() {
    const samples = this.#series?.samples ?? [];
    const now = samples.at(-1)?.at ?? 0;
    const stacks = samples.map(({ at, values }) => ({ at, tops: values && this.#tops(values) }));
    const most = Math.max(0, ...stacks.flatMap(({ tops }) => tops ?? []));
    const ceiling = niceCeiling(most);
    // It grows with what is known, minute by minute: most of an empty chart says nothing.
    this.#window = Math.min(SECONDS, Math.max(LEAST, Math.ceil((now - (samples[0]?.at ?? now)) / 60) * 60));
    const x = (at) => this.#width - ((now - at) / this.#window) * this.#width;
    const y = (value) => HEIGHT - BOTTOM - (value / ceiling) * (HEIGHT - TOP - BOTTOM);
    const drawn = [];
    for (const share of [0, 0.5, 1]) {
      const level = Math.round(y(ceiling * share)) + 0.5;
      drawn.push(svg("line", { class: "grid", x1: "0", x2: this.#width, y1: level, y2: level }));
      if (share) drawn.push(svg("text", { x: "0", y: level - 3 }, rate(ceiling * share)));
    }
    drawn.push(svg("text", { x: "0", y: HEIGHT - 3 }, `${plural(this.#window / 60, "minute")} ago`));
    drawn.push(svg("text", { x: this.#width, y: HEIGHT - 3, "text-anchor": "end" }, "now"));
    for (let index = this.#lines.length - 1; index >= 0; index -= 1) {
      for (const run of runs(stacks)) {
        const top = run.map(({ at, tops }) => `${x(at).toFixed(1)},${y(tops[index]).toFixed(1)}`);
        const below = this.#stacked && index > 0;
        const base = [...run].reverse().map(({ at, tops }) => `${x(at).toFixed(1)},${y(below ? tops[index - 1] : 0).toFixed(1)}`);
        if (this.#stacked || this.#lines.length === 1) {
          drawn.push(svg("path", { class: `area s${index}`, d: `M${[...top, ...base].join("L")}Z` }));
        }
        drawn.push(svg("path", { class: `curve s${index}`, d: `M${top.join("L")}` }));
      }
    }
    const read = this.#at === null ? undefined : nearest(samples, now + this.#at);
    this.#parts.at.hidden = read === undefined;
    if (read !== undefined) {
      const across = x(read.at);
      drawn.push(svg("line", { class: "cross", x1: across, x2: across, y1: TOP, y2: HEIGHT - BOTTOM }));
      this.#show(read, across);
    }
    this.#parts.svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#parts.svg.replaceChildren(...drawn);
  }

  #tops(values) {
    let sum = 0;
    return this.#lines.map(([name]) => {
      sum = this.#stacked ? sum + (values[name] ?? 0) : (values[name] ?? 0);
      return sum;
    });
  }

  #show({ at, values }, across) {
    const box = this.#parts.at;
    box.replaceChildren(el("strong", {}, when(at)), ...this.#words(values).map((words) => el("div", {}, words)));
    const left = Math.min(Math.max(0, across - box.offsetWidth / 2), this.#width - box.offsetWidth);
    box.style.left = `${left}px`;
  }

  #words(values) {
    if (!values) return ["nothing heard"];
    return this.#lines.map(([name, label]) => `${label} ${rate(values[name] ?? 0)}`);
  }

  /** What a screen reader says of the point that is read; set on keys and focus alone, or it would never be quiet. */
  #describe() {
    const samples = this.#series?.samples ?? [];
    const now = samples.at(-1)?.at ?? 0;
    const read = nearest(samples, now + (this.#at ?? 0));
    this.#parts.svg.setAttribute("aria-valuenow", String(Math.round(this.#at ?? 0)));
    const text = read === undefined ? "nothing yet" : `${when(read.at)}: ${this.#words(read.values).join(", ")}`;
    this.#parts.svg.setAttribute("aria-valuetext", `${this.#label}, ${text}`);
  }

  #listen() {
    const field = this.#parts.svg;
    field.addEventListener("pointermove", (event) => {
      const box = field.getBoundingClientRect();
      this.#read(((event.clientX - box.left) / box.width - 1) * this.#window);
    });
    field.addEventListener("pointerleave", () => this.#read(null));
    field.addEventListener("blur", () => this.#read(null));
    field.addEventListener("focus", () => this.#describe());
    field.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -5, ArrowRight: 5, ArrowDown: -5, ArrowUp: 5, PageDown: -60, PageUp: 60 }[event.key];
      const to = { Home: -this.#window, End: 0 }[event.key];
      if (event.key === "Escape") this.#read(null);
      else if (to !== undefined) this.#read(to);
      else if (step !== undefined) this.#read(Math.min(0, Math.max(-this.#window, (this.#at ?? 0) + step)));
      else return;
      event.preventDefault();
      this.#describe();
    });
    new ResizeObserver(([{ contentRect }]) => {
      this.#width = Math.max(160, Math.round(contentRect.width));
      this.#plot();
    }).observe(this.#host.querySelector(".chart"));
  }

  #read(offset) {
    this.#at = offset;
    this.#plot();
  }
}

/** 1, 2 or 5 times a power of ten, above every value; 4 at least, so that one connection is no mountain. */
function niceCeiling(most) {
  if (most <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((times) => times * power).find((value) => value >= most);
}

/** Stretches without a gap. */
function runs(stacks) {
  const found = [[]];
  for (const stack of stacks) {
    if (stack.tops === null) found.push([]);
    else found.at(-1).push(stack);
  }
  return found.filter((run) => run.length > 1);
}

function nearest(samples, at) {
  let best;
  for (const sample of samples) {
    if (best === undefined || Math.abs(sample.at - at) <= Math.abs(best.at - at)) best = sample;
  }
  return best;
}
