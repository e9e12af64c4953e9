import type { CleanupPlan, CleanupItem, KeptItem } from "./cleanup-plan.js";
import type { CleanupPolicy } from "./cleanup-policy.js";
import type { CleanupInventory } from "./inventory.js";
import { planBuildCache } from "./plan-build-cache.js";
import { planContainers } from "./plan-containers.js";
import { planImages } from "./plan-images.js";
import { planNetworks } from "./plan-networks.js";

/** What one kind of thing adds to a plan. */
export interface PlanPart {
  readonly items: readonly CleanupItem[];
  readonly kept: readonly KeptItem[];
}

/**
 * What the policy would remove of what is there, and why the rest of those classes stays. Pure. What
 * belongs to an installation of the provisioner stays, whoever's it is: its own collection and sweep
 * know when it may go. Throws `ERR_BUILD_SETTINGS` for a protection pattern that is malformed.
 */
export function planCleanup(
  inventory: CleanupInventory,
  policy: CleanupPolicy,
  now: number,
): CleanupPlan {
  const parts = [
    planImages(inventory, policy, now),
    planBuildCache(inventory.buildCache, policy, now),
    planContainers(inventory.containers, policy, now),
    planNetworks(inventory, policy, now),
  ];
  const items = parts.flatMap((part) => part.items);
  return {
    policy,
    plannedAt: now,
    items,
    kept: parts.flatMap((part) => part.kept),
    bytes: items.reduce((sum, item) => sum + item.sizeBytes, 0),
  };
}
