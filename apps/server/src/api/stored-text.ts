import { z } from "zod";

// PostgreSQL stores neither NUL nor half of a surrogate pair.
const UNSTORABLE = /[\p{Cc}\p{Surrogate}]/u;
const YAML_SYNTAX = /[{}[\]|>*&!]/;

/** One line of text, as the store takes it. */
export function storedText(most: number) {
  return z
    .string()
    .max(most)
    .refine((text) => !UNSTORABLE.test(text), {
      error: "must not hold line breaks or other control characters",
    });
}

/** As `storedText`, and without what could be taken for YAML: it goes into config.yaml. */
export function plainText(most: number) {
  return storedText(most).refine((text) => !YAML_SYNTAX.test(text), {
    error: "must not hold any of {}[]|>*&!",
  });
}

/** Absent, null and empty all mean "not said", as the platform's clients expect. */
export function unsaid<Value>(value: Value): Exclude<Value, null | ""> | undefined {
  return value === null || value === "" ? undefined : (value as Exclude<Value, null | "">);
}
