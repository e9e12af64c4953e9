import { isEngineConflict, type DockerEngine } from "@molecule-ai/docker-engine";
import type { Removal } from "./apply-cleanup.js";
import type { CleanupItem } from "./cleanup-plan.js";
import { readContainers } from "./inventory.js";

/** Removes a network that still nothing is connected to. The engine knows only of what runs. */
export async function removeNetwork(
  engine: DockerEngine,
  item: CleanupItem,
  signal: AbortSignal | undefined,
): Promise<Removal> {
  const containers = await readContainers(engine, { signal });
  const user = containers.find(
    ({ networks }) => networks.includes(item.id) || networks.includes(item.name),
  );
  if (user !== undefined) {
    return { outcome: "kept", reason: `the container ${user.name} is connected to it since` };
  }
  try {
    await engine.networks.remove(item.id, { signal });
    return { outcome: "removed", freedBytes: 0 };
  } catch (error) {
    if (isEngineConflict(error)) return { outcome: "kept", reason: "something uses it since" };
    throw error;
  }
}
