import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { CleanupItem } from "./cleanup-plan.js";

/** Records in one call: each call walks the whole cache, and an address has its limits. */
export const BUILD_CACHE_BATCH = 200;

/** Removes exactly these records, as far as no build uses them; returns the ids that went. */
export async function removeBuildCache(
  engine: DockerEngine,
  items: readonly CleanupItem[],
  options: {
    readonly unusedForMs: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<ReadonlySet<string>> {
  const ids = items.map(({ id }) => id);
  const { removed } = await engine.buildCache.prune({ ...options, ids });
  return new Set(removed);
}
