import { isEngineConflict, type DockerEngine } from "@molecule-ai/docker-engine";
import type { Removal } from "./cleanup-outcome.js";
import type { CleanupItem } from "./cleanup-plan.js";

/** Removes a container that still does not run, never by force, and never a volume with it. */
export async function removeContainer(
  engine: DockerEngine,
  item: CleanupItem,
  plannedAt: number,
  signal: AbortSignal | undefined,
): Promise<Removal> {
  const started = (await engine.containers.inspect(item.id, { signal }))?.state.startedAt ?? 0;
  if (started > plannedAt) return { outcome: "kept", reason: "it ran since" };
  try {
    // Without force the engine itself refuses one that was started since.
    await engine.containers.remove(item.id, { signal });
    return { outcome: "removed", freedBytes: 0 };
  } catch (error) {
    if (isEngineConflict(error)) return { outcome: "kept", reason: "it was started since" };
    throw error;
  }
}
