import type { CleanupItem, KeptItem } from "./cleanup-plan.js";
import type { CleanupPolicy } from "./cleanup-policy.js";
import type { CleanupInventory } from "./inventory.js";
import type { PlanPart } from "./plan-cleanup.js";
import { youth } from "./plan-images.js";
import { isInScope, labelProtection } from "./protection.js";

/** The engine's own. */
const PREDEFINED: ReadonlySet<string> = new Set([
  "bridge",
  "host",
  "none",
  "ingress",
  "docker_gwbridge",
  "podman",
]);

/** Whoever makes a network is about to use it. */
const GRACE_MS = 60 * 60_000;

/** Networks that no container is connected to, a stopped one neither: it would not start again. */
export function planNetworks(
  { networks, containers }: CleanupInventory,
  policy: CleanupPolicy,
  now: number,
): PlanPart {
  if (!policy.unusedNetworks) return { items: [], kept: [] };
  const items: CleanupItem[] = [];
  const kept: KeptItem[] = [];
  for (const { id, name, driver, labels, createdAt } of networks) {
    if (PREDEFINED.has(name) || !isInScope(labels, policy)) continue;
    const about = { class: "networks.unused", id, name, sizeBytes: 0 } as const;
    const user = containers.find((one) => one.networks.includes(name) || one.networks.includes(id));
    const reason =
      labelProtection(labels, policy) ??
      (user === undefined ? undefined : `the container ${user.name} is connected to it`) ??
      // Its users may be on other machines.
      (driver === "overlay" ? "services of a swarm may use it" : undefined) ??
      youth(now - createdAt, GRACE_MS);
    if (reason !== undefined) kept.push({ ...about, reason });
    else items.push({ ...about, names: [], reason: "no container is connected to it" });
  }
  return { items, kept };
}
