import type { LocalCacheContent, LocalCacheEntry } from "./cache-entries.js";
import type { StoredBlob } from "./oci-layout.js";
import type { LocalCacheRetentionRule } from "./settings.js";

export interface LocalRetentionPlan {
  readonly remove: readonly {
    readonly entry: LocalCacheEntry;
    readonly reason: "damaged" | "age" | "size";
  }[];
  readonly keep: readonly LocalCacheEntry[];
  /** What nothing that stays needs. */
  readonly blobs: readonly StoredBlob[];
}

/**
 * Which entries of a local cache go: damaged ones, then those older than allowed, then the oldest
 * until what the rest needs fits. A blob goes with the last entry that needs it; one that no entry
 * needed goes too, unless it is younger than `graceMs` and may belong to an export under way.
 */
export function planLocalRetention(
  content: LocalCacheContent,
  rule: LocalCacheRetentionRule,
  time: { readonly now: number; readonly graceMs: number },
): LocalRetentionPlan {
  const remove: LocalRetentionPlan["remove"][number][] = [];
  const keep: LocalCacheEntry[] = [];
  for (const entry of content.entries) {
    if (entry.damage !== undefined) remove.push({ entry, reason: "damaged" });
    else if (rule.maxAgeMs > 0 && time.now - entry.updatedAt > rule.maxAgeMs) {
      remove.push({ entry, reason: "age" });
    } else keep.push(entry);
  }
  keep.sort((a, b) => a.updatedAt - b.updatedAt);
  const needs = new Map<string, number>();
  let bytes = 0;
  for (const [digest, size] of keep.flatMap((entry) => [...entry.blobs])) {
    const count = needs.get(digest) ?? 0;
    needs.set(digest, count + 1);
    if (count === 0) bytes += size;
  }
  while (rule.maxBytes > 0 && bytes > rule.maxBytes) {
    const oldest = keep.shift();
    if (oldest === undefined) break;
    remove.push({ entry: oldest, reason: "size" });
    for (const [digest, size] of oldest.blobs) {
      const count = (needs.get(digest) ?? 0) - 1;
      needs.set(digest, count);
      if (count === 0) bytes -= size;
    }
  }
  const removed = new Set(remove.flatMap(({ entry }) => [...entry.blobs.keys()]));
  const blobs = content.blobs.filter(
    (blob) =>
      (needs.get(blob.digest) ?? 0) === 0 &&
      (removed.has(blob.digest) || time.now - blob.modifiedMs > time.graceMs),
  );
  return { remove, keep, blobs };
}
