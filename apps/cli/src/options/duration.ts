import { invalidOption } from "./invalid-option.js";

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  "": 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/y;

/** Past it a timer would fire at once: Node counts in 32 bits. */
const LONGEST_MS = 2 ** 31 - 1;

/** `90`, `90s`, `1h30m`, `500ms` → milliseconds; a bare number is seconds. */
export function parseDuration(option: string, text: string): number {
  const ms = readDuration(text);
  if (ms === undefined || ms <= 0 || ms > LONGEST_MS) {
    throw invalidOption(
      option,
      text,
      "Give a duration such as 90, 90s, 5m or 1h30m, shorter than 24 days.",
    );
  }
  return ms;
}

/** Undefined when `text` is not a duration. */
export function readDuration(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  let total = 0;
  PART.lastIndex = 0;
  do {
    const match = PART.exec(text);
    if (match === null) return undefined;
    total += Number(match[1]) * (UNITS[match[2] ?? ""] ?? 0);
  } while (PART.lastIndex < text.length);
  return total;
}
