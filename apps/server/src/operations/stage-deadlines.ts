import type { Stage } from "@molecule-ai/core";

const MINUTE_MS = 60_000;

/** Longest time without progress, for runtimes that need more than {@link DEFAULT_DEADLINE_MS}. */
const DEADLINE_OF_RUNTIME_MS: Readonly<Record<string, number>> = { hermes: 30 * MINUTE_MS };
export const DEFAULT_DEADLINE_MS = 10 * MINUTE_MS;
/** A single step of a build may compile for long and print nothing. */
const BUILD_DEADLINE_MS = 30 * MINUTE_MS;

/** How long a stage may go without progress; undefined is the time before the first stage. */
export type StageDeadlines = (stage: Stage | undefined, runtime: string) => number;

/** By runtime, and a longer one for builds; `overrideMs` takes the place of all of them. */
export function createStageDeadlines(options: {
  readonly overrideMs: number | undefined;
  /** What templates ask for, by runtime: in place of ours. */
  readonly ofTemplatesMs?: ReadonlyMap<string, number> | undefined;
}): StageDeadlines {
  return (stage, runtime) => {
    if (options.overrideMs !== undefined) return options.overrideMs;
    const ofRuntime = Object.hasOwn(DEADLINE_OF_RUNTIME_MS, runtime)
      ? DEADLINE_OF_RUNTIME_MS[runtime]
      : undefined;
    const deadlineMs = options.ofTemplatesMs?.get(runtime) ?? ofRuntime ?? DEFAULT_DEADLINE_MS;
    return stage === "build" ? Math.max(deadlineMs, BUILD_DEADLINE_MS) : deadlineMs;
  };
}
