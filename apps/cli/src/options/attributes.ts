import { invalidOption } from "./invalid-option.js";

/** `key=value,key=value` of an option; a key given twice, or without a value, is refused. */
export function parseAttributes(option: string, text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const field of text.split(",")) {
    const equals = field.indexOf("=");
    const key = field.slice(0, Math.max(0, equals)).trim().toLowerCase();
    if (key === "" || attributes.has(key) || equals === field.length - 1) {
      throw invalidOption(option, text, "Give key=value, several separated by commas.");
    }
    attributes.set(key, field.slice(equals + 1));
  }
  return attributes;
}

/** `key=value` options as a record; the first `=` separates. */
export function parsePairs(
  option: string,
  texts: readonly string[],
): Readonly<Record<string, string>> {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals < 1) throw invalidOption(option, text, "Give key=value.");
    pairs.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return Object.fromEntries(pairs);
}
