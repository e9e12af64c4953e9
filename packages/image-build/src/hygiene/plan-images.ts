import { formatGoDuration } from "../units/duration.js";
import type { CleanupItem, KeptItem } from "./cleanup-plan.js";
import type { CleanupPolicy } from "./cleanup-policy.js";
import type { CleanupInventory, InventoryContainer, InventoryImage } from "./inventory.js";
import type { PlanPart } from "./plan-cleanup.js";
import { isInScope, labelProtection } from "./protection.js";
import { parseReferencePattern } from "./reference-pattern.js";

/**
 * Images by their id: one name that is protected, or one container that uses it, keeps an image with
 * all its names.
 */
export function planImages(
  inventory: CleanupInventory,
  policy: CleanupPolicy,
  now: number,
): PlanPart {
  const patterns = policy.protectedRefs.map((text) => ({
    text,
    matches: parseReferencePattern(text),
  }));
  const protection = (image: InventoryImage): string | undefined => {
    const names = [...image.tags, ...image.digests];
    const pattern = patterns.find(({ matches }) => names.some((name) => matches(name)));
    return pattern === undefined ? undefined : `${pattern.text} protects it`;
  };

  const items: CleanupItem[] = [];
  const kept: KeptItem[] = [];
  for (const image of inventory.images.filter(({ labels }) => isInScope(labels, policy))) {
    const isNamed = image.tags.length > 0 || image.digests.length > 0;
    const olderThanMs = isNamed ? policy.unreferencedOlderThanMs : policy.danglingOlderThanMs;
    if (olderThanMs === undefined) continue;
    const about = {
      class: isNamed ? "images.unreferenced" : "images.dangling",
      id: image.id,
      name: image.tags[0] ?? image.digests[0] ?? image.id.slice(0, "sha256:".length + 12),
      sizeBytes: image.sizeBytes,
    } as const;
    const reason =
      protection(image) ??
      labelProtection(image.labels, policy) ??
      usage(image, inventory.containers) ??
      youth(now - image.newestAt, olderThanMs);
    if (reason !== undefined) kept.push({ ...about, reason });
    else {
      items.push({
        ...about,
        // An image that was pulled by its digest has no other name.
        names: image.tags.length > 0 ? image.tags : image.digests,
        reason: `${isNamed ? "no container uses it" : "it has no name"}, older than ${formatGoDuration(olderThanMs)}`,
      });
    }
  }
  return { items: inClassOrder(items), kept: inClassOrder(kept) };
}

/** Why something stays that is not old enough; undefined when it is. */
export function youth(ageMs: number, olderThanMs: number): string | undefined {
  return ageMs > olderThanMs ? undefined : `not older than ${formatGoDuration(olderThanMs)}`;
}

function usage(
  image: InventoryImage,
  containers: readonly InventoryContainer[],
): string | undefined {
  const names = new Set([...image.tags, ...image.digests]);
  const user = containers.find(
    ({ imageId, imageRef }) => imageId === image.id || names.has(imageRef),
  );
  return user === undefined ? undefined : `the container ${user.name} uses it`;
}

function inClassOrder<T extends { readonly class: string }>(entries: readonly T[]): T[] {
  const isDangling = (entry: T): boolean => entry.class === "images.dangling";
  return [...entries.filter(isDangling), ...entries.filter((entry) => !isDangling(entry))];
}
