import { systemClock, type Clock } from "@molecule-ai/core";
import {
  isRegistryError,
  type RegistryClient,
  type RegistryError,
} from "@molecule-ai/registry-client";
import {
  eachOf,
  listRegistryCaches,
  oldestFirst,
  type RegistryCacheEntry,
  type RegistryCacheList,
} from "./registry-cache.js";
import type { ExternalCacheRetentionRule } from "./settings.js";

export interface RegistryRetentionOptions extends ExternalCacheRetentionRule {
  readonly client: RegistryClient;
  /** With its registry, without a tag. */
  readonly repository: string;
  /** `<prefix>-<repoHash>`: no other tag is ever removed. */
  readonly scope: string;
  /** Whether a cache of which nothing says when it was made counts as too old. Default `keep`. */
  readonly unknownAge?: "keep" | "stale" | undefined;
  /** Says what would go and removes nothing. */
  readonly dryRun?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly signal: AbortSignal;
}

export interface RegistryRetentionResult {
  readonly repository: string;
  readonly scope: string;
  /** Caches of this scope before. */
  readonly total: number;
  /** In the order they went, or would. */
  readonly removed: readonly (RegistryCacheEntry & { readonly reason: "stale" | "count" })[];
  readonly kept: readonly (RegistryCacheEntry & {
    /** Undefined for one that no rule wanted to remove. */
    readonly reason: string | undefined;
  })[];
  /** One per tag that could not be looked at or removed. */
  readonly errors: readonly TagFailure[];
}

interface TagFailure {
  readonly tag: string;
  readonly error: RegistryError;
}

type Doomed = RegistryCacheEntry & { readonly reason: "stale" | "count" };

/**
 * Removes caches of one scope from a registry: those that are too old, then the oldest beyond the
 * wanted count. A registry removes a manifest with all its tags, so one that another tag also has,
 * of whatever kind, stays. A tag that moved meanwhile stays too. A cache that cannot be removed is an
 * error in the result and does not end the others. Throws as `listRegistryCaches`.
 */
export async function enforceRegistryRetention(
  options: RegistryRetentionOptions,
): Promise<RegistryRetentionResult> {
  const { repository, scope } = options;
  const list = await listRegistryCaches(options);
  const now = (options.clock ?? systemClock).now();
  const doomed = planRegistryRetention(list.entries, options, now);
  const { outcomes, failure } = await removeAll(options, list, doomed);
  const errors = [...list.failures, ...(failure === undefined ? [] : [failure])];
  const removed: Doomed[] = [];
  const kept = new Map(list.entries.map((entry) => [entry.tag, undefined as string | undefined]));
  for (const entry of doomed) {
    const outcome = outcomes.get(entry.tag) ?? { kind: "kept", reason: "other tags are unknown" };
    if (outcome.kind === "kept") {
      kept.set(entry.tag, outcome.reason);
      continue;
    }
    kept.delete(entry.tag);
    if (outcome.kind === "removed") removed.push(entry);
    else errors.push({ tag: entry.tag, error: outcome.error });
  }
  return {
    repository,
    scope,
    total: list.entries.length + list.failures.length,
    removed,
    kept: list.entries
      .filter(({ tag }) => kept.has(tag))
      .map((entry) => ({ ...entry, reason: kept.get(entry.tag) })),
    errors,
  };
}

type Outcome =
  | { readonly kind: "removed" }
  | { readonly kind: "kept"; readonly reason: string }
  | { readonly kind: "failed"; readonly error: RegistryError };

/** By tag. With `failure` nothing was removed: one tag of the repository could not be looked at. */
async function removeAll(
  options: RegistryRetentionOptions,
  list: RegistryCacheList,
  doomed: readonly Doomed[],
): Promise<{ readonly outcomes: ReadonlyMap<string, Outcome>; readonly failure?: TagFailure }> {
  const outcomes = new Map<string, Outcome>();
  if (doomed.length === 0) return { outcomes };
  const { tags, failure } = await tagsByDigest(options, list);
  if (failure !== undefined) return { outcomes, failure };
  const wanted = new Set(doomed.map(({ tag }) => tag));
  for (const { tag, digest } of doomed) {
    if (outcomes.has(tag)) continue;
    options.signal.throwIfAborted();
    const together = tags.get(digest) ?? [tag];
    const other = together.find((name) => !wanted.has(name));
    const outcome: Outcome =
      other === undefined
        ? await removeManifest(options, together, digest)
        : { kind: "kept", reason: `${other} is the same manifest` };
    for (const name of together) outcomes.set(name, outcome);
  }
  return { outcomes };
}

async function removeManifest(
  options: RegistryRetentionOptions,
  tags: readonly string[],
  digest: string,
): Promise<Outcome> {
  const { client, repository, signal } = options;
  try {
    const moved = await findMoved(options, tags, digest);
    if (moved !== undefined) return { kind: "kept", reason: `${moved} was written meanwhile` };
    if (options.dryRun !== true) await client.deleteManifest(repository, digest, { signal });
    return { kind: "removed" };
  } catch (error) {
    if (!isRegistryError(error)) throw error;
    return { kind: "failed", error };
  }
}

/** Which caches the rule wants to go, oldest first. */
function planRegistryRetention(
  entries: readonly RegistryCacheEntry[],
  rule: ExternalCacheRetentionRule & Pick<RegistryRetentionOptions, "unknownAge">,
  now: number,
): readonly Doomed[] {
  const stale = (entry: RegistryCacheEntry): boolean =>
    entry.createdAt === undefined
      ? rule.unknownAge === "stale"
      : now - entry.createdAt > rule.staleAgeMs;
  const sorted = [...entries].sort(oldestFirst);
  const old = rule.staleAgeMs > 0 ? sorted.filter(stale) : [];
  const rest = sorted.filter((entry) => !old.includes(entry));
  const countable = rest.filter(
    (entry) => entry.createdAt !== undefined || rule.unknownAge === "stale",
  );
  const surplus = rule.maxRefs > 0 ? Math.max(0, countable.length - rule.maxRefs) : 0;
  return [
    ...old.map((entry) => ({ ...entry, reason: "stale" as const })),
    ...countable.slice(0, surplus).map((entry) => ({ ...entry, reason: "count" as const })),
  ];
}

/** Every tag of the repository by what it points to, since any of them may be the same manifest. */
async function tagsByDigest(
  { client, repository, signal }: RegistryRetentionOptions,
  list: RegistryCacheList,
): Promise<{
  readonly tags: ReadonlyMap<string, readonly string[]>;
  readonly failure: TagFailure | undefined;
}> {
  const tags = new Map<string, string[]>();
  let failure: TagFailure | undefined;
  const add = (digest: string, tag: string): void => {
    tags.set(digest, [...(tags.get(digest) ?? []), tag]);
  };
  const known = new Map(list.entries.map((entry) => [entry.tag, entry.digest]));
  await eachOf(list.tags, async (tag) => {
    if (failure !== undefined) return;
    try {
      const digest =
        known.get(tag) ?? (await client.resolve(`${repository}:${tag}`, { signal }))?.digest;
      if (digest !== undefined) add(digest, tag);
    } catch (error) {
      if (!isRegistryError(error)) throw error;
      failure = { tag, error };
    }
  });
  return { tags, failure };
}

async function findMoved(
  { client, repository, signal }: RegistryRetentionOptions,
  tags: readonly string[],
  digest: string,
): Promise<string | undefined> {
  for (const tag of tags) {
    const current = await client.resolve(`${repository}:${tag}`, { signal });
    if (current !== undefined && current.digest !== digest) return tag;
  }
  return undefined;
}
