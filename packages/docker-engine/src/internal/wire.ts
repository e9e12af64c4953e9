import { z } from "zod";

// Shapes of the Engine API as far as we read it. Go writes null for empty lists and maps, and
// engines differ in what they leave out, so absence is an empty value wherever that is safe.

export const strings: z.ZodType<string[]> = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);

export const labels: z.ZodType<Record<string, string>> = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});

export const text: z.ZodType<string> = z
  .string()
  .nullish()
  .transform((value) => value ?? "");

export const count: z.ZodType<number> = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);

export const flag: z.ZodType<boolean> = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

/** An RFC 3339 time as Unix milliseconds; Go's zero time and nonsense are undefined. */
export const instant: z.ZodType<number | undefined> = z
  .string()
  .nullish()
  .transform((value) => {
    const ms = value === null || value === undefined ? Number.NaN : Date.parse(value);
    return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
  });

/** The `filters` of a list call; undefined when nothing is filtered. */
export function filters(
  conditions: Readonly<Record<string, readonly string[] | undefined>>,
): string | undefined {
  const present = Object.entries(conditions).filter(
    ([, values]) => values !== undefined && values.length > 0,
  );
  return present.length === 0 ? undefined : JSON.stringify(Object.fromEntries(present));
}
