import { describeFailure, type ErrorRecord, type EventSink } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { ImageBuildError } from "../errors.js";
import type { CleanupEvent } from "./cleanup-event.js";
import type { CleanupItem, CleanupPlan } from "./cleanup-plan.js";
import type { CleanupClass } from "./cleanup-policy.js";
import { BUILD_CACHE_BATCH, removeBuildCache } from "./remove-build-cache.js";
import { removeContainer } from "./remove-container.js";
import { removeImage } from "./remove-image.js";
import { removeNetwork } from "./remove-network.js";

/** `best_effort` goes on after a failure and reports it; `required` stops and throws. */
export type CleanupEnforcement = "best_effort" | "required";

/** What became of one item. That something went already, or is used since, is no failure. */
export type Removal =
  | { readonly outcome: "removed"; readonly freedBytes: number }
  | { readonly outcome: "kept"; readonly reason: string }
  | { readonly outcome: "failed"; readonly error: ErrorRecord };

export type CleanupOutcome = Removal & {
  readonly class: CleanupClass;
  readonly id: string;
  readonly name: string;
};

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

/**
 * Does what a plan says and nothing else. Every item is looked at again before it goes; one that
 * changed or is used since is kept, with the reason. Throws `ERR_CLEANUP_FAILED` at the first failure
 * when the clean-up is required.
 */
export async function applyCleanup(
  plan: CleanupPlan,
  engine: DockerEngine,
  options: ApplyCleanupOptions = {},
): Promise<CleanupResult> {
  const { signal, enforcement = "best_effort", onEvent } = options;
  const outcomes: CleanupOutcome[] = [];
  for (const group of groupsOf(plan.items)) {
    signal?.throwIfAborted();
    for (const outcome of await removeGroup(engine, plan, group, signal)) {
      outcomes.push(outcome);
      onEvent?.(eventOf(outcome));
      if (outcome.outcome === "failed" && enforcement === "required") {
        throw requiredFailure(outcome.name, outcome.error, outcomes);
      }
    }
  }
  return {
    outcomes,
    freedBytes: outcomes.reduce((sum, one) => sum + freedBytesOf(one), 0),
    failed: outcomes.filter(({ outcome }) => outcome === "failed").length,
  };
}

/** Items that are removed in one call; build cache in batches, all else one by one. */
function groupsOf(items: readonly CleanupItem[]): CleanupItem[][] {
  const groups: CleanupItem[][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    const joins =
      item.class === "build_cache" &&
      last?.[0]?.class === "build_cache" &&
      last.length < BUILD_CACHE_BATCH;
    if (joins) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

async function removeGroup(
  engine: DockerEngine,
  plan: CleanupPlan,
  group: readonly CleanupItem[],
  signal: AbortSignal | undefined,
): Promise<CleanupOutcome[]> {
  const named = (item: CleanupItem, removal: Removal): CleanupOutcome => ({
    class: item.class,
    id: item.id,
    name: item.name,
    ...removal,
  });
  try {
    if (group[0]?.class === "build_cache") {
      const unusedForMs = plan.policy.buildCacheOlderThanMs;
      const removed = await removeBuildCache(engine, group, { unusedForMs, signal });
      return group.map((item) =>
        named(
          item,
          removed.has(item.id)
            ? { outcome: "removed", freedBytes: item.sizeBytes }
            : { outcome: "kept", reason: "it went already, or something uses it since" },
        ),
      );
    }
    const removals: CleanupOutcome[] = [];
    for (const item of group) {
      removals.push(named(item, await removeOne(engine, plan, item, signal)));
    }
    return removals;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const failure = describeFailure(error).toJSON();
    return group.map((item) => named(item, { outcome: "failed", error: failure }));
  }
}

function removeOne(
  engine: DockerEngine,
  plan: CleanupPlan,
  item: CleanupItem,
  signal: AbortSignal | undefined,
): Promise<Removal> {
  switch (item.class) {
    case "images.dangling":
    case "images.unreferenced":
      return removeImage(engine, item, signal);
    case "containers.exited":
      return removeContainer(engine, item, plan.plannedAt, signal);
    case "networks.unused":
      return removeNetwork(engine, item, signal);
    case "build_cache":
      throw new TypeError("build cache is removed in groups");
    default:
      return item.class satisfies never;
  }
}

function freedBytesOf(outcome: CleanupOutcome): number {
  return outcome.outcome === "removed" ? outcome.freedBytes : 0;
}

function eventOf(outcome: CleanupOutcome): CleanupEvent {
  const { class: kind, id, name } = outcome;
  const about = { class: kind, id, name };
  switch (outcome.outcome) {
    case "removed":
      return { type: "cleanup.removed", ...about, freedBytes: outcome.freedBytes };
    case "kept":
      return { type: "cleanup.kept", ...about, reason: outcome.reason };
    case "failed":
      return { type: "cleanup.failed", ...about, error: outcome.error };
    default:
      return outcome satisfies never;
  }
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
