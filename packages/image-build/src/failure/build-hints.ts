import type { BuildErrorEntry } from "./build-error-entry.js";
import { conditionHint } from "./tools/conditions.js";
import { SOURCE_MISSING } from "./tools/copy.js";
import { KILLED } from "./tools/killed.js";
import { COMMAND_NOT_FOUND, NOT_EXECUTABLE } from "./tools/shell.js";

/** What is known of a failed step when advice is sought. */
export interface FailedStepFacts {
  /** Upper case; empty when it is not known. */
  readonly keyword: string;
  readonly exitCode: number | undefined;
  /** The engine's error and the last lines of output, cleaned. */
  readonly text: string;
  readonly entries: readonly BuildErrorEntry[];
}

const BY_EXIT_CODE: Readonly<Record<number, string>> = {
  126: NOT_EXECUTABLE,
  127: COMMAND_NOT_FOUND,
  137: KILLED.hint,
};

const DEFAULT_HINT =
  "Look at the last lines of the step; fix the Dockerfile or what it runs, then build again.";

/** What a person can do about a step that failed. Text only ever chooses a hint, never an error code. */
export function adviseOnStep(facts: FailedStepFacts): string {
  return (
    conditionHint(facts.text) ??
    facts.entries.find((entry) => entry.hint !== undefined)?.hint ??
    BY_EXIT_CODE[facts.exitCode ?? 0] ??
    missingSource(facts) ??
    (/permission denied/i.test(facts.text) ? NOT_EXECUTABLE : undefined) ??
    DEFAULT_HINT
  );
}

/** A COPY that ends without running anything did not find what it copies. */
function missingSource({ keyword, exitCode }: FailedStepFacts): string | undefined {
  if (exitCode !== undefined || (keyword !== "COPY" && keyword !== "ADD")) return undefined;
  return SOURCE_MISSING.hint;
}
