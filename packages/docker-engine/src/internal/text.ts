import { stripControlCharacters } from "@molecule-ai/core";

const LONGEST_TEXT = 1000;

/** Text of the engine made safe to show: no control characters, one paragraph, bounded. */
export function boundedText(text: string, limit: number = LONGEST_TEXT): string {
  // Cut before the regular expressions run, and again after.
  const clean = stripControlCharacters(text.slice(0, limit * 4)).trim();
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}
