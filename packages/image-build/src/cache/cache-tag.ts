import { canonicalizeRef, MAX_TAG_LENGTH } from "./canonical-ref.js";
import { cacheSettingsError } from "./cache-settings-error.js";
import { repoHash } from "./repository-hash.js";

/** What is in the tag of one branch's cache: `<prefix>-<repoHash>-<branchRef>`. */
export interface CacheTag {
  readonly prefix: string;
  /** 8 hex digits. */
  readonly repoHash: string;
  /** Readable part of the branch, a dash, and 8 hex digits. */
  readonly branchRef: string;
}

export const DEFAULT_CACHE_TAG_PREFIX = "cache";

const SHORT_HASH_LENGTH = 8;
const MAX_PREFIX_LENGTH = 64;
const PREFIX = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const SHORT_HASH = /^[0-9a-f]{8}$/;

/**
 * The tag of a branch's cache, at most 128 characters long: of a long branch name less is readable.
 * Throws `ERR_BUILD_CACHE_SETTINGS` for a prefix that cannot stand in a tag, or that would make the
 * tag be read as another repository's.
 */
export function buildCacheTag(options: {
  /** Empty for `cache`. */
  readonly prefix: string;
  readonly repositoryId: string;
  readonly branch: string;
}): CacheTag {
  const prefix = parseCacheTagPrefix(options.prefix);
  return {
    prefix,
    repoHash: repoHash(options.repositoryId).slice(0, SHORT_HASH_LENGTH),
    branchRef: canonicalizeRef(
      options.branch,
      MAX_TAG_LENGTH - prefix.length - SHORT_HASH_LENGTH - 2,
    ),
  };
}

/** Throws `ERR_BUILD_CACHE_SETTINGS`; see {@link buildCacheTag}. */
export function parseCacheTagPrefix(text: string): string {
  const prefix = text === "" ? DEFAULT_CACHE_TAG_PREFIX : text;
  if (prefix.length > MAX_PREFIX_LENGTH || !PREFIX.test(prefix)) {
    throw cacheSettingsError(
      `${JSON.stringify(prefix.slice(0, 80))} cannot begin the tag of a cache.`,
      `It is the beginning of a tag, not a path: at most ${MAX_PREFIX_LENGTH} letters, digits, dots, dashes and underscores.`,
    );
  }
  if (prefix.split("-").slice(1).some(isShortHash)) {
    throw cacheSettingsError(
      `The cache tag prefix ${prefix} has a part of 8 hex digits, which would be read as a repository.`,
      "Choose another prefix, for example cache.",
    );
  }
  return prefix;
}

export function formatCacheTag(tag: CacheTag): string {
  return `${cacheTagScope(tag)}-${tag.branchRef}`;
}

/** What the tags of all branches of one repository begin with. */
export function cacheTagScope(tag: Pick<CacheTag, "prefix" | "repoHash">): string {
  return `${tag.prefix}-${tag.repoHash}`;
}

/** Undefined for a tag that is none of ours. Never throws. */
export function parseCacheTag(text: string): CacheTag | undefined {
  if (text.length > MAX_TAG_LENGTH) return undefined;
  const parts = text.split("-");
  const hash = parts.pop() ?? "";
  // The first part is never the repository: every tag has a prefix.
  const at = parts.findIndex((part, index) => index > 0 && isShortHash(part));
  const repository = parts[at];
  if (repository === undefined || !isShortHash(hash)) return undefined;
  return {
    prefix: parts.slice(0, at).join("-"),
    repoHash: repository,
    branchRef: `${parts.slice(at + 1).join("-")}-${hash}`,
  };
}

/** True when a tag of a registry is the cache of some branch of the repository with this scope. */
export function isCacheTag(text: string, scope: string): boolean {
  const tag = parseCacheTag(text);
  return tag !== undefined && cacheTagScope(tag) === scope;
}

function isShortHash(text: string): boolean {
  return SHORT_HASH.test(text);
}
