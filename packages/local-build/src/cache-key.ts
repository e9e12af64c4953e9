import { createHash } from "node:crypto";

/**
 * A short name for "this commit of this runtime from this repository prefix": 16 hex digits.
 * Compatible with the Go provisioner's CacheKey.
 */
export function cacheKey(runtime: string, sha: string, prefix: string): string {
  return createHash("sha256").update(`${runtime}|${sha}|${prefix}`).digest("hex").slice(0, 16);
}
