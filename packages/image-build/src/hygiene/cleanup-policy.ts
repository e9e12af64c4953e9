/** What can be removed from an engine, in the order in which it is. */
export const CLEANUP_CLASSES = [
  "images.dangling",
  "images.unreferenced",
  "build_cache",
  "containers.exited",
  "networks.unused",
] as const;
export type CleanupClass = (typeof CLEANUP_CLASSES)[number];

/**
 * What may go. A class whose rule is undefined is left alone; volumes belong to none and are never
 * removed.
 */
export interface CleanupPolicy {
  /** Images without a name that are older. */
  readonly danglingOlderThanMs: number | undefined;
  /** Images with names that no container uses and that are older. */
  readonly unreferencedOlderThanMs: number | undefined;
  /** Build cache that was not used for so long; with a size to keep, both must hold. */
  readonly buildCacheOlderThanMs: number | undefined;
  /** Build cache goes, longest unused first, until no more than this is left. */
  readonly buildCacheKeepBytes: number | undefined;
  /** Containers that ended, or were made and never started, longer ago. */
  readonly exitedOlderThanMs: number | undefined;
  /** Networks that no container, running or not, is connected to. */
  readonly unusedNetworks: boolean;
  /** Docker's reference patterns: `prod/*`, `registry.example.com/base:*`. */
  readonly protectedRefs: readonly string[];
  /** `key` or `key=value`: what carries one of them stays. */
  readonly protectedLabels: readonly string[];
  /** Containers with a named volume stay: they are what tells whose volume it is. */
  readonly protectNamedVolumes: boolean;
  /**
   * `key` or `key=value`: only what carries all of them may go, and so no build cache, which has no
   * labels. Empty: everything on the engine.
   */
  readonly scope: readonly string[];
}

/** A policy that removes nothing; a start for one that does. */
export const NO_CLEANUP: CleanupPolicy = {
  danglingOlderThanMs: undefined,
  unreferencedOlderThanMs: undefined,
  buildCacheOlderThanMs: undefined,
  buildCacheKeepBytes: undefined,
  exitedOlderThanMs: undefined,
  unusedNetworks: false,
  protectedRefs: [],
  protectedLabels: [],
  protectNamedVolumes: true,
  scope: [],
};
