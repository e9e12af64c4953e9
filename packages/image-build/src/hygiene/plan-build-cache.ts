import { stripControlCharacters } from "@molecule-ai/core";
import type { BuildCacheRecord } from "@molecule-ai/docker-engine";
import { formatByteSize } from "../units/byte-size.js";
import { formatGoDuration } from "../units/duration.js";
import type { CleanupItem, KeptItem } from "./cleanup-plan.js";
import type { CleanupPolicy } from "./cleanup-policy.js";
import type { PlanPart } from "./plan-cleanup.js";
import { youth } from "./plan-images.js";

const LONGEST_NAME = 200;

/**
 * Records longest unused first, until what is left is small enough. One that another is built on
 * goes only after it; what is shared with images frees nothing and stays.
 */
export function planBuildCache(
  records: readonly BuildCacheRecord[],
  policy: CleanupPolicy,
  now: number,
): PlanPart {
  const { buildCacheOlderThanMs: olderThanMs, buildCacheKeepBytes: keepBytes } = policy;
  // Records carry no labels, so none is known to be in a scope.
  const isOutOfScope = policy.scope.length > 0;
  if (isOutOfScope || (olderThanMs === undefined && keepBytes === undefined)) {
    return { items: [], kept: [] };
  }
  const children = countChildren(records);
  let left = records.reduce((sum, record) => sum + (record.shared ? 0 : record.sizeBytes), 0);
  const isEnough = (): boolean => keepBytes !== undefined && left <= keepBytes;
  const reasonToStay = (record: BuildCacheRecord): string | undefined =>
    fixedReason(record) ??
    (olderThanMs === undefined ? undefined : youth(now - lastUse(record), olderThanMs));

  const items: CleanupItem[] = [];
  const gone = new Set<string>();
  let waiting = records
    .filter((record) => reasonToStay(record) === undefined)
    .sort((a, b) => lastUse(a) - lastUse(b));
  for (let before = -1; before !== items.length && !isEnough();) {
    before = items.length;
    const blocked: BuildCacheRecord[] = [];
    for (const record of waiting) {
      if (isEnough() || (children.get(record.id) ?? 0) > 0) {
        blocked.push(record);
        continue;
      }
      gone.add(record.id);
      left -= record.sizeBytes;
      for (const parent of record.parents) children.set(parent, (children.get(parent) ?? 0) - 1);
      items.push({ ...about(record), names: [], reason: reasonToGo(olderThanMs, keepBytes) });
    }
    waiting = blocked;
  }

  const kept = records.flatMap((record): KeptItem[] => {
    if (gone.has(record.id)) return [];
    const within = keepBytes === undefined ? "" : formatByteSize(keepBytes);
    const reason =
      reasonToStay(record) ??
      ((children.get(record.id) ?? 0) > 0
        ? "cache that stays is built on it"
        : `it is within the ${within} to keep`);
    return [{ ...about(record), reason }];
  });
  return { items, kept };
}

function countChildren(records: readonly BuildCacheRecord[]): Map<string, number> {
  const children = new Map<string, number>();
  for (const { parents } of records) {
    for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  return children;
}

function about(record: BuildCacheRecord): Pick<CleanupItem, "class" | "id" | "name" | "sizeBytes"> {
  const { id, sizeBytes, description } = record;
  // It holds lines of Dockerfiles as they are.
  const text = stripControlCharacters(description.slice(0, LONGEST_NAME)).trim();
  return { class: "build_cache", id, name: text === "" ? id : text, sizeBytes };
}

function fixedReason(record: BuildCacheRecord): string | undefined {
  if (record.inUse) return "a build uses it";
  if (record.shared) return "its bytes are also an image's";
  return record.type === "internal" || record.type === "frontend"
    ? "BuildKit keeps it for itself"
    : undefined;
}

function lastUse({ lastUsedAt, createdAt }: BuildCacheRecord): number {
  return lastUsedAt ?? createdAt ?? 0;
}

function reasonToGo(olderThanMs: number | undefined, keepBytes: number | undefined): string {
  const unused = olderThanMs === undefined ? "" : `not used for ${formatGoDuration(olderThanMs)}`;
  const above = keepBytes === undefined ? "" : `the cache is above ${formatByteSize(keepBytes)}`;
  return [unused, above].filter((part) => part !== "").join(", ");
}
