import { parseCacheSettings, planCache, type BuildCache } from "@molecule-ai/image-build";
import { parsePlatform } from "@molecule-ai/registry-mode";
import type { EnsureRun } from "./ensure-run.js";

/** What the head is called that is built when nobody names a ref. */
const MAIN = "main";

/**
 * Where a build of this template takes its cache from and gives it to: one tag for each repository,
 * ref and kind of machine; a ref that has none yet reads that of the main branch. Undefined when
 * machines share none.
 */
export async function sharedCacheOf(
  run: EnsureRun,
  signal: AbortSignal,
): Promise<BuildCache | undefined> {
  const { engine, platform, settings } = run.dependencies;
  const { cacheRepository: repository } = settings;
  if (repository === undefined) return undefined;
  const asked = platform === undefined ? undefined : parsePlatform(platform);
  const { arch, variant = "" } = asked ?? {
    arch: (await engine.info({ signal })).arch,
    variant: undefined,
  };
  // What another kind of machine has built must not take the place of this one's.
  const tagPrefix = ["cache", arch, variant].filter((part) => part !== "").join("-");
  const { mode, imports, exports } = planCache({
    settings: parseCacheSettings({ mode: "shared", repository, tagPrefix }, undefined),
    identity: {
      repositoryId: run.repository.url,
      branch: run.request.ref ?? MAIN,
      defaultBranch: MAIN,
    },
    local: { kind: "unavailable", reason: "Machines share no directory." },
  });
  return { mode, imports, exports };
}
