import { ImageBuildError } from "../errors.js";

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MINUTE = 60n * NS_PER_SECOND;
const NS_PER_HOUR = 60n * NS_PER_MINUTE;

const UNIT_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  // Both signs of micro that Go reads.
  "\u00b5s": 1000n,
  "\u03bcs": 1000n,
  ms: NS_PER_MS,
  s: NS_PER_SECOND,
  m: NS_PER_MINUTE,
  h: NS_PER_HOUR,
  d: 24n * NS_PER_HOUR,
};

/** What Go's time.Duration can hold: about 292 years. */
const LONGEST_NS = 2n ** 63n - 1n;
const LONGEST_TEXT = 64;
const PART = /(\d{1,19})?(?:\.(\d{1,18})?)?(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)/y;

/**
 * Milliseconds of a length of time written as in Go (`1h30m`, `90s`, `250ms`, `0`), with `d` for days
 * of 24 hours; fractions are read as such (`1.5d` is 36 hours). Not below zero, never rounded to
 * zero. Throws `ERR_BUILD_UNIT` when any of the text is something else.
 */
export function parseDuration(text: string): number {
  const word = text.trim();
  if (word === "0") return 0;
  let total = 0n;
  PART.lastIndex = 0;
  const readable = word !== "" && word.length <= LONGEST_TEXT;
  for (let at = 0; readable && at < word.length; at = PART.lastIndex) {
    const [, whole, fraction = "", unit = ""] = PART.exec(word) ?? [];
    const unitNs = UNIT_NS[unit];
    if (unitNs === undefined || (whole === undefined && fraction === "")) throw refused(text);
    total += BigInt(whole ?? 0) * unitNs;
    total += (BigInt(`0${fraction}`) * unitNs) / 10n ** BigInt(fraction.length);
  }
  if (!readable || total > LONGEST_NS) throw refused(text);
  return Number(total / NS_PER_MS) + Number(total % NS_PER_MS) / Number(NS_PER_MS);
}

/** `1h30m`, `168h`, `45s`, `0.25s`, `0s`: short, exact to the nanosecond, and read alike by Go. */
export function formatGoDuration(ms: number): string {
  const wholeMs = Math.floor(ms);
  let rest = BigInt(wholeMs) * NS_PER_MS + BigInt(Math.round((ms - wholeMs) * Number(NS_PER_MS)));
  const take = (unit: bigint, name: string): string => {
    const count = rest / unit;
    rest %= unit;
    return count === 0n ? "" : `${count}${name}`;
  };
  const hoursAndMinutes = take(NS_PER_HOUR, "h") + take(NS_PER_MINUTE, "m");
  if (rest === 0n) return hoursAndMinutes === "" ? "0s" : hoursAndMinutes;
  const fraction = String(rest % NS_PER_SECOND)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${hoursAndMinutes}${rest / NS_PER_SECOND}${fraction === "" ? "" : `.${fraction}`}s`;
}

function refused(text: string): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILD_UNIT",
    `${JSON.stringify(text.slice(0, 80))} is no length of time.`,
    { hint: "Write it as 90s, 30m, 1h30m or 7d." },
  );
}
