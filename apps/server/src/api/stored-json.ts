import type { JsonValue } from "@molecule-ai/core";
import { z } from "zod";

/** Deeper than this, parsers elsewhere begin to give up. */
const MOST_LEVELS = 32;

/**
 * JSON of any shape that the database can keep: without NUL characters and halves of surrogate pairs,
 * and not nested without end.
 */
export const storedJson: z.ZodType<JsonValue> = z
  .unknown()
  .refine(isStorable, `must be JSON without NUL characters, nested at most ${MOST_LEVELS} levels`)
  .transform((value) => value as JsonValue) as unknown as z.ZodType<JsonValue>;

/** A JSON object that the database can keep. */
export const storedObject = z
  .record(z.string(), z.unknown())
  .refine(isStorable, `must be JSON without NUL characters, nested at most ${MOST_LEVELS} levels`);

/** True for parsed JSON that survives the way to the database and back. */
export function isStorable(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) return false;
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item === "string" && !isText(item)) return false;
      if (typeof item !== "object" || item === null) continue;
      for (const [key, member] of Object.entries(item)) {
        if (!isText(key)) return false;
        next.push(member);
      }
    }
    level = next;
  }
  return true;
}

function isText(text: string): boolean {
  return !text.includes("\0") && !/\p{Surrogate}/u.test(text);
}
