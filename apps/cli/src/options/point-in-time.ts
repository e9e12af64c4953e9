import { readDuration } from "./duration.js";
import { invalidOption } from "./invalid-option.js";

/**
 * `--since`: Unix milliseconds of a duration ago (`10m`), a Unix time in seconds (ten digits or
 * more), or a date as in RFC 3339.
 */
export function parsePointInTime(option: string, text: string, now: number): number {
  if (/^\d{10,}(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const ago = text === "" ? undefined : readDuration(text);
  if (ago !== undefined) return now - ago;
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(date)) {
    throw invalidOption(
      option,
      text,
      "Give a duration such as 10m, a date such as 2026-11-21T10:00:00Z, or a Unix time.",
    );
  }
  return date;
}
