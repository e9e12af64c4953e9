import { isEngineConflict, type DockerEngine } from "@molecule-ai/docker-engine";
import type { Removal } from "./cleanup-outcome.js";
import type { CleanupItem } from "./cleanup-plan.js";
import type { InventoryContainer } from "./inventory.js";

/** Removes a network that nothing is connected to. The engine itself knows only of what runs. */
export async function removeNetwork(
  engine: DockerEngine,
  item: CleanupItem,
  containers: readonly InventoryContainer[],
  signal: AbortSignal | undefined,
): Promise<Removal> {
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
