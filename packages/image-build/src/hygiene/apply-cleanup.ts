import type { ErrorRecord, EventSink } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { ImageBuildError } from "../errors.js";
import type { CleanupEvent } from "./cleanup-event.js";
import { eventOf, outcomeOf, type CleanupOutcome } from "./cleanup-outcome.js";
import type { CleanupPlan } from "./cleanup-plan.js";
import { readContainers, type InventoryContainer } from "./inventory.js";
import { groupsOf, removeGroup } from "./remove-group.js";

/** `best_effort` goes on after a failure and reports it; `required` stops and throws. */
export type CleanupEnforcement = "best_effort" | "required";

export interface CleanupResult {
  /** One for every item of the plan, in its order. */
  readonly outcomes: readonly CleanupOutcome[];
  /** At most what became free: see {@link CleanupPlan.bytes}. */
  readonly freedBytes: number;
  readonly failed: number;
}

export interface ApplyCleanupOptions {
  /** Default `best_effort`. */
  readonly enforcement?: CleanupEnforcement | undefined;
  readonly onEvent?: EventSink<CleanupEvent> | undefined;
  /** Abort ends the clean-up after the call under way; the rest stays. */
  readonly signal?: AbortSignal | undefined;
}

/** After these nothing else would succeed either. */
const ENGINE_IS_GONE: ReadonlySet<string> = new Set([
  "ERR_ENGINE_UNREACHABLE",
  "ERR_ENGINE_PERMISSION",
  "ERR_ENGINE_TIMEOUT",
  "ERR_ENGINE_CLOSED",
]);

/**
 * Does what a plan says and nothing else. Every item is looked at again before it goes; one that
 * changed or is used since is kept, with the reason. Once the engine is gone the rest fails without
 * being tried. Throws `ERR_CLEANUP_FAILED` at the first failure when the clean-up is required.
 */
export async function applyCleanup(
  plan: CleanupPlan,
  engine: DockerEngine,
  options: ApplyCleanupOptions = {},
): Promise<CleanupResult> {
  const { signal, enforcement = "best_effort", onEvent } = options;
  const outcomes: CleanupOutcome[] = [];
  let reading: Promise<readonly InventoryContainer[]> | undefined;
  const containers = () => (reading ??= readContainers(engine, { signal }));
  let gone: ErrorRecord | undefined;
  for (const group of groupsOf(plan.items)) {
    signal?.throwIfAborted();
    const lost = gone;
    const ended =
      lost === undefined
        ? await removeGroup({ engine, plan, signal, containers }, group)
        : group.map((item) => outcomeOf(item, { outcome: "failed", error: lost }));
    for (const outcome of ended) {
      outcomes.push(outcome);
      onEvent?.(eventOf(outcome));
      if (outcome.outcome !== "failed") continue;
      if (enforcement === "required") {
        throw requiredFailure(outcome.name, outcome.error, outcomes);
      }
      if (ENGINE_IS_GONE.has(outcome.error.code)) gone = outcome.error;
    }
  }
  return {
    outcomes,
    freedBytes: outcomes.reduce((sum, one) => sum + freedBytesOf(one), 0),
    failed: outcomes.filter(({ outcome }) => outcome === "failed").length,
  };
}

function freedBytesOf(outcome: CleanupOutcome): number {
  return outcome.outcome === "removed" ? outcome.freedBytes : 0;
}

function requiredFailure(
  name: string,
  error: ErrorRecord,
  outcomes: readonly CleanupOutcome[],
): ImageBuildError {
  const removed = outcomes.filter(({ outcome }) => outcome === "removed").length;
  return new ImageBuildError(
    "ERR_CLEANUP_FAILED",
    `The clean-up is required and failed at ${name}: ${error.message}`,
    {
      hint: "Repair what the message says, or make the clean-up best_effort.",
      retryable: error.retryable,
      details: { name, removed, code: error.code },
    },
  );
}
