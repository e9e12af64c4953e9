import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, type Clock } from "@molecule-ai/core";
import { readCacheEntries } from "./cache-entries.js";
import { tryLockCache } from "./cache-lock.js";
import {
  INDEX_FILE,
  isRealDirectory,
  lstatOrAbsent,
  readLayoutIndex,
  type LayoutIndex,
} from "./oci-layout.js";
import { planLocalRetention, type LocalRetentionPlan } from "./plan-local-retention.js";
import type { LocalCacheRetentionRule } from "./settings.js";

export interface LocalRetentionOptions extends LocalCacheRetentionRule {
  /** Directory of one repository's cache, as BuildKit exports it. */
  readonly directory: string;
  /** Says what would go and removes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Blobs younger than this may belong to an export under way; default 1 hour. */
  readonly graceMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly signal: AbortSignal;
}

export interface LocalRetentionResult {
  readonly directory: string;
  readonly entriesBefore: number;
  /** Entries that went, or would. */
  readonly removed: readonly {
    readonly digest: string;
    readonly name: string | undefined;
    readonly updatedAt: number;
    readonly reason: "damaged" | "age" | "size";
  }[];
  readonly prunedBlobs: number;
  readonly prunedBytes: number;
  readonly bytesAfter: number;
  /** Why nothing was looked at; undefined when everything was. */
  readonly reason: string | undefined;
}

const DEFAULT_GRACE_MS = 3_600_000;
const MOST_ATTEMPTS = 3;
/** What the names of indexes begin with that are not in place yet. */
const TEMPORARY = `.${INDEX_FILE}-`;

/**
 * Keeps a local cache within its age and size, by whole entries: the index is read, entries that go
 * are taken out of it in one step, then blobs that nothing refers to any more are removed, also
 * those that earlier exports left behind. At every moment the index on disk is whole and everything
 * it names is there. A cache that cannot be read, that is being written, or that another process is
 * cleaning, is left alone, with a reason. Rejects for failures of the disk and on abort.
 */
export async function enforceLocalRetention(
  options: LocalRetentionOptions,
): Promise<LocalRetentionResult> {
  const { directory } = options;
  const untouched = (reason: string): LocalRetentionResult => ({
    directory,
    entriesBefore: 0,
    removed: [],
    prunedBlobs: 0,
    prunedBytes: 0,
    bytesAfter: 0,
    reason,
  });
  if (!(await isRealDirectory(directory))) {
    return untouched("cache dir does not exist (no prior cache)");
  }
  await using lock = await tryLockCache(directory);
  if (lock === undefined) return untouched("another process is cleaning it");
  if (options.dryRun !== true) await removeTemporaries(directory);
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    const read = await readLayoutIndex(directory);
    if (read.kind === "unreadable") return untouched(read.reason);
    const result = await enforceOnce(options, read.kind === "read" ? read.index : undefined);
    if (result !== undefined) return result;
  }
  return untouched("it is being written");
}

/** Undefined when somebody writes into the cache, and nothing was done. */
async function enforceOnce(
  options: LocalRetentionOptions,
  index: LayoutIndex | undefined,
): Promise<LocalRetentionResult | undefined> {
  const { directory, signal, graceMs = DEFAULT_GRACE_MS } = options;
  const now = (options.clock ?? systemClock).now();
  const ingests = await listIngests(directory);
  if (ingests.some((ingest) => now - ingest.modifiedMs <= graceMs)) return undefined;
  const content = await readCacheEntries(directory, index, signal);
  const plan = planLocalRetention(content, options, { now, graceMs });
  if (options.dryRun !== true) {
    signal.throwIfAborted();
    const isOurs =
      plan.remove.length > 0 && index !== undefined
        ? await replaceIndex(directory, index, plan)
        : !(await isBeingWritten(directory, index));
    if (!isOurs) return undefined;
  }
  let prunedBytes = 0;
  let prunedBlobs = 0;
  for (const blob of plan.blobs) {
    signal.throwIfAborted();
    if (options.dryRun !== true && !(await removeUnchanged(blob.path, blob.modifiedMs))) continue;
    prunedBlobs++;
    prunedBytes += blob.sizeBytes;
  }
  for (const ingest of options.dryRun === true ? [] : ingests) {
    await rm(ingest.path, { recursive: true, force: true });
  }
  return {
    directory,
    entriesBefore: content.entries.length,
    removed: plan.remove.map(({ entry, reason }) => ({
      digest: entry.manifest.digest,
      name: entry.name,
      updatedAt: entry.updatedAt,
      reason,
    })),
    prunedBlobs,
    prunedBytes,
    bytesAfter: content.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0) - prunedBytes,
    reason: undefined,
  };
}

/**
 * Takes the entries out of the index. Without any left the file goes: buildx refuses to import from
 * an empty index, and only warns of an absent one. False when somebody wrote it meanwhile.
 */
async function replaceIndex(
  directory: string,
  index: LayoutIndex,
  plan: LocalRetentionPlan,
): Promise<boolean> {
  const path = join(directory, INDEX_FILE);
  const temporary = join(directory, `${TEMPORARY}${randomUUID()}`);
  const keep = new Set(plan.keep.map((entry) => entry.position));
  try {
    if (keep.size > 0) {
      const file = await open(temporary, "wx", 0o644);
      try {
        await file.writeFile(index.only(keep));
        await file.sync();
      } finally {
        await file.close();
      }
      // The time of the last export, by which the age of the last entry is told.
      await utimes(temporary, new Date(), new Date(index.modifiedMs));
    }
    if (await isBeingWritten(directory, index)) return false;
    await (keep.size > 0 ? rename(temporary, path) : unlink(path));
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Left by one that died: whoever holds the lock is the only one who makes them. */
async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(TEMPORARY)) await rm(join(directory, name), { force: true });
  }
}

/** Somebody changes the index, or did since it was read; BuildKit has the lock file while it does. */
async function isBeingWritten(directory: string, index: LayoutIndex | undefined): Promise<boolean> {
  if ((await lstatOrAbsent(join(directory, `${INDEX_FILE}.lock`))) !== undefined) return true;
  const current = await readLayoutIndex(directory);
  if (current.kind === "read") return index?.bytes.equals(current.index.bytes) !== true;
  return current.kind !== "absent" || index !== undefined;
}

async function removeUnchanged(path: string, modifiedMs: number): Promise<boolean> {
  if ((await lstatOrAbsent(path))?.mtimeMs !== modifiedMs) return false;
  await unlink(path);
  return true;
}

/** Blobs that are being received, or that an export which was cut off never finished. */
async function listIngests(
  directory: string,
): Promise<readonly { readonly path: string; readonly modifiedMs: number }[]> {
  const parent = join(directory, "ingest");
  if (!(await isRealDirectory(parent))) return [];
  const found = [];
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const stats = (await lstatOrAbsent(join(path, "data"))) ?? (await lstatOrAbsent(path));
    if (stats !== undefined) found.push({ path, modifiedMs: stats.mtimeMs });
  }
  return found;
}
