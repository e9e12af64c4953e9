import type { BuildErrorEntry } from "../build-error-entry.js";

/** What one tool said at one place of the output. */
export interface ToolFinding {
  readonly entry: Omit<BuildErrorEntry, "raw" | "instruction" | "dockerfileLine">;
  /** How many lines belong to it, at least 1. */
  readonly taken: number;
  /** It only repeats that something failed, and gives way to what says why. */
  readonly minor?: boolean | undefined;
}

/**
 * Reads what begins at `lines[at]`; undefined when that is not this tool's. Lines are clean, without
 * the builder's prefixes and bounded in length. Looks at most {@link LOOKAHEAD} lines ahead, and no
 * pattern backtracks over more than a line, so that all tools together stay linear.
 */
export type ToolParser = (lines: readonly string[], at: number) => ToolFinding | undefined;

export const LOOKAHEAD = 100;

/** The place of an error as its fields; what is not a number from 1 on is left out. */
export function placed(
  file: string | undefined,
  line?: string,
  col?: string,
): { file?: string; line?: number; col?: number } {
  if (file === undefined || file === "") return {};
  const [row, column] = [Number(line ?? 0), Number(col ?? 0)];
  return {
    file,
    ...(row > 0 ? { line: row } : {}),
    ...(row > 0 && column > 0 ? { col: column } : {}),
  };
}

/** A kind of trouble that is known by its words, whichever tool says them. */
export interface Symptom {
  readonly pattern: RegExp;
  readonly hint: string;
}

export function hintOf(symptoms: readonly Symptom[], text: string): string | undefined {
  return symptoms.find(({ pattern }) => pattern.test(text))?.hint;
}
