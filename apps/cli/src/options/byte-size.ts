import { invalidOption } from "./invalid-option.js";

const POWERS: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4 };

/** `500`, `500MB`, `20GiB`, `1.5g` → bytes; every unit is a power of 1024. */
export function parseByteSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes =
    match === null
      ? NaN
      : Math.round(Number(match[1]) * 1024 ** (POWERS[(match[2] ?? "").toLowerCase()] ?? 0));
  if (!Number.isSafeInteger(bytes)) {
    throw invalidOption(option, text, "Give a size such as 500MB or 20GB.");
  }
  return bytes;
}
