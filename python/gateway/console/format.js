// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** 12,345 and, from a hundred thousand on, 1.2M. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return Math.abs(value) >= 100_000 ? short.format(value) : whole.format(value);
}

/** "1 event", "2 events"; "unknown" where there is no number. */
export function plural(count, noun) {
  if (count === null || count === undefined) return "unknown";
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A rate: with a decimal while it is small. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value > 0 && value < 10 ? value.toFixed(1).replace(/\.0$/, "") : number(value);
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let rest = value;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (rest < 1024) return `${unit === "B" ? rest : rest.toFixed(1)} ${unit}`;
    rest /= 1024;
  }
  return `${rest.toFixed(1)} GiB`;
}

/** Seconds as the two largest units. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const left = Math.max(0, Math.floor(seconds));
  const units = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => left >= size);
  if (first < 0) return "0 s";
  let rest = left;
  const words = units.slice(first, first + 2).map(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest %= size;
    return count ? `${count} ${unit}` : "";
  });
  return words.filter(Boolean).join(" ");
}

/** Unix seconds as a time of day, with milliseconds. */
export function moment(unix) {
  const date = new Date(unix * 1000);
  return `${clock.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Unix seconds as a time of day, with the date where it is another one. */
export function when(unix) {
  const date = new Date(unix * 1000);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** JSON with one member per line. The text is laid out, not parsed: a number keeps all its digits, and a cut text stays. */
export function pretty(text) {
  let out = "";
  let depth = 0;
  const newLine = () => `\n${"  ".repeat(depth)}`;
  // A string, with its escapes and perhaps cut off; a bracket; or a stretch of anything else.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^"{}[\],:\s]+/gs)) {
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + newLine();
    } else if (token === "}" || token === "]") {
      depth = Math.max(0, depth - 1);
      out = /[{[]\s*$/.test(out) ? out.trimEnd() + token : out + newLine() + token;
    } else if (token === ",") out += token + newLine();
    else out += token === ":" ? ": " : token;
  }
  return out;
}
