import { parseImageReference } from "@molecule-ai/registry-mode";
import { cacheSettingsError } from "./cache-settings-error.js";

/** A repository of a registry, as a publish target names it. */
export interface CacheTarget {
  /** Registry host; a scheme and slashes at the end do not count. */
  readonly url: string;
  readonly path?: string | undefined;
}

/** `{ url: "https://cr.example.com/", path: "/team/app/" }` → `cr.example.com/team/app`. */
export function cacheRepositoryOf(target: CacheTarget): string {
  const host = trimSlashes(target.url.replace(/^https?:\/\//i, ""));
  const path = trimSlashes(target.path ?? "");
  return parseCacheRepository(path === "" ? host : `${host}/${path}`);
}

/**
 * The repository that holds the caches, whole: with its registry, without a tag, which is made from
 * repository and branch. Throws `ERR_BUILD_CACHE_SETTINGS`.
 */
export function parseCacheRepository(text: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw cacheSettingsError(
      `${JSON.stringify(text.slice(0, 200))} cannot hold a build cache: ${why}.`,
      "Name a repository with its registry and without a tag: registry.example.com/team/cache.",
      cause,
    );
  };
  try {
    const { domain, path, tag, digest } = parseImageReference(text);
    if (tag !== undefined || digest !== undefined) return refuse("it names a tag or a digest");
    // A registry alone would be read as a repository of Docker Hub.
    if (!text.startsWith(`${domain}/`)) return refuse("it names no repository of a registry");
    return `${domain}/${path}`;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUILD_CACHE_SETTINGS")
      throw error;
    return refuse("it is no image reference", error);
  }
}

function trimSlashes(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === "/") start++;
  while (end > start && text[end - 1] === "/") end--;
  return text.slice(start, end);
}
