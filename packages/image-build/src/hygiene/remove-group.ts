import { describeFailure } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { outcomeOf, type CleanupOutcome, type Removal } from "./cleanup-outcome.js";
import type { CleanupItem, CleanupPlan } from "./cleanup-plan.js";
import type { InventoryContainer } from "./inventory.js";
import { BUILD_CACHE_BATCH, removeBuildCache } from "./remove-build-cache.js";
import { removeContainer } from "./remove-container.js";
import { removeImage } from "./remove-image.js";
import { removeNetwork } from "./remove-network.js";

/** What the removals of one clean-up have in common. */
export interface CleanupRun {
  readonly engine: DockerEngine;
  readonly plan: CleanupPlan;
  readonly signal: AbortSignal | undefined;
  /** All containers as they are while networks are removed; read once. */
  readonly containers: () => Promise<readonly InventoryContainer[]>;
}

/** Items that are removed in one call: build cache in batches, all else one by one. */
export function groupsOf(items: readonly CleanupItem[]): CleanupItem[][] {
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

/** Rejects only on abort; a failure is the outcome of everything in the group. */
export async function removeGroup(
  run: CleanupRun,
  group: readonly CleanupItem[],
): Promise<CleanupOutcome[]> {
  const { engine, plan, signal } = run;
  try {
    if (group[0]?.class === "build_cache") {
      const unusedForMs = plan.policy.buildCacheOlderThanMs;
      const removed = await removeBuildCache(engine, group, { unusedForMs, signal });
      return group.map((item) =>
        outcomeOf(
          item,
          removed.has(item.id)
            ? { outcome: "removed", freedBytes: item.sizeBytes }
            : { outcome: "kept", reason: "it went already, or something uses it since" },
        ),
      );
    }
    const outcomes: CleanupOutcome[] = [];
    for (const item of group) outcomes.push(outcomeOf(item, await removeOne(run, item)));
    return outcomes;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const failure = describeFailure(error).toJSON();
    return group.map((item) => outcomeOf(item, { outcome: "failed", error: failure }));
  }
}

async function removeOne(
  { engine, plan, signal, containers }: CleanupRun,
  item: CleanupItem,
): Promise<Removal> {
  switch (item.class) {
    case "images.dangling":
    case "images.unreferenced":
      return removeImage(engine, item, signal);
    case "containers.exited":
      return removeContainer(engine, item, plan.plannedAt, signal);
    case "networks.unused":
      return removeNetwork(engine, item, await containers(), signal);
    case "build_cache":
      throw new TypeError("build cache is removed in groups");
    default:
      return item.class satisfies never;
  }
}
