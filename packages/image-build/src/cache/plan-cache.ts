import type { CacheIdentity } from "./cache-identity.js";
import type { CacheMode } from "./cache-mode.js";
import type { CacheRef } from "./cache-ref.js";
import { buildCacheTag, formatCacheTag } from "./cache-tag.js";
import type { LocalCache } from "./local-cache.js";
import type { CacheSettings } from "./settings.js";

/** Where one build takes its cache from and gives it to. */
export interface CachePlan {
  readonly mode: CacheMode;
  readonly branch: string;
  readonly fallbacks: readonly string[];
  /** Nearest first. */
  readonly imports: readonly CacheRef[];
  readonly exports: readonly CacheRef[];
  /** Places that the mode asks for and that are not used, and why. */
  readonly skipped: readonly { readonly plane: "local" | "external"; readonly reason: string }[];
}

export interface CachePlanOptions {
  readonly settings: Pick<CacheSettings, "mode" | "external">;
  readonly identity: CacheIdentity;
  /** Of `probeLocalCache`; asked only when the mode has a local part. */
  readonly local: LocalCache;
}

/**
 * The cache of one build, as data. The local directory comes before the branch's own ref, and that
 * before the refs of the fallback branches, which are read only: each is written by builds of its
 * own branch.
 */
export function planCache(options: CachePlanOptions): CachePlan {
  const { settings, identity } = options;
  const { mode } = settings;
  const named =
    settings.external.fallbacks.length > 0
      ? settings.external.fallbacks
      : [identity.defaultBranch].filter((name) => name !== undefined);
  const fallbacks = [...new Set(named)].filter((name) => name !== "" && name !== identity.branch);
  const imports: CacheRef[] = [];
  const exports: CacheRef[] = [];
  const skipped: CachePlan["skipped"][number][] = [];

  if (mode === "local" || mode === "hybrid") {
    const { local } = options;
    if (local.kind === "available") {
      const place = { type: "local", ref: local.directory, plane: "local" } as const;
      if (local.unreadable === undefined) imports.push({ ...place, direction: "import" });
      else skipped.push({ plane: "local", reason: local.unreadable });
      exports.push({ ...place, direction: "export", mode: "max" });
    } else {
      skipped.push({ plane: "local", reason: local.reason });
    }
  }
  if (mode === "shared" || mode === "hybrid") {
    const { repository, tagPrefix: prefix, exportMode } = settings.external;
    if (repository === undefined) {
      skipped.push({ plane: "external", reason: "No repository is named for it." });
    } else {
      const refOf = (branch: string): string => {
        const tag = buildCacheTag({ prefix, repositoryId: identity.repositoryId, branch });
        return `${repository}:${formatCacheTag(tag)}`;
      };
      const own = { type: "registry", ref: refOf(identity.branch), plane: "external" } as const;
      imports.push({ ...own, direction: "import" });
      exports.push({ ...own, direction: "export", mode: exportMode });
      imports.push(
        ...fallbacks.map((branch): CacheRef => ({
          type: "registry",
          ref: refOf(branch),
          direction: "import",
          plane: "fallback",
        })),
      );
    }
  }
  return { mode, branch: identity.branch, fallbacks, imports, exports, skipped };
}
