import { formatGoDuration } from "../units/duration.js";
import type { CleanupItem, KeptItem } from "./cleanup-plan.js";
import type { CleanupPolicy } from "./cleanup-policy.js";
import type { InventoryContainer } from "./inventory.js";
import type { PlanPart } from "./plan-cleanup.js";
import { youth } from "./plan-images.js";
import { isInScope, labelProtection } from "./protection.js";

const ENDED: ReadonlySet<InventoryContainer["status"]> = new Set(["exited", "dead", "created"]);

/** Containers that do not run. Their volumes stay in any case. */
export function planContainers(
  containers: readonly InventoryContainer[],
  policy: CleanupPolicy,
  now: number,
): PlanPart {
  const olderThanMs = policy.exitedOlderThanMs;
  if (olderThanMs === undefined) return { items: [], kept: [] };
  const items: CleanupItem[] = [];
  const kept: KeptItem[] = [];
  for (const container of containers) {
    const { id, name, status, labels, endedAt, namedVolumes } = container;
    if (!ENDED.has(status) || !isInScope(labels, policy)) continue;
    const about = { class: "containers.exited", id, name, sizeBytes: 0 } as const;
    const volume = policy.protectNamedVolumes ? namedVolumes[0] : undefined;
    const reason =
      labelProtection(labels, policy) ??
      (volume === undefined ? undefined : `it has the named volume ${volume}`) ??
      youth(now - endedAt, olderThanMs);
    if (reason !== undefined) kept.push({ ...about, reason });
    else {
      const what = status === "created" ? "made and never started" : "ended";
      const age = formatGoDuration(olderThanMs);
      items.push({ ...about, names: [], reason: `${what} more than ${age} ago` });
    }
  }
  return { items, kept };
}
