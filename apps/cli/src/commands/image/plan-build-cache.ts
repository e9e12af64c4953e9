import type { BuildCache, CacheIdentity } from "@molecule-ai/image-build";
import type { CommandContext } from "../../run-command.js";

/** What the environment says of a cache; undefined for none. */
export async function planBuildCache(
  context: CommandContext,
  identity: CacheIdentity,
): Promise<BuildCache | undefined> {
  const { cacheSettingsFromEnv, planCache, probeLocalCache } =
    await import("@molecule-ai/image-build");
  const { env, homeDirectory } = context.settings;
  const settings = cacheSettingsFromEnv(env, { homeDir: homeDirectory });
  if (settings.mode === "off") return undefined;
  const hasLocal = settings.mode === "local" || settings.mode === "hybrid";
  const local = hasLocal
    ? await probeLocalCache(settings.local, identity.repositoryId)
    : ({ kind: "unavailable", reason: "it is not asked for" } as const);
  const { mode, imports, exports, skipped } = planCache({ settings, identity, local });
  for (const { reason } of skipped) {
    context.onEvent({ type: "warning", code: "WARN_BUILD_CACHE_SKIPPED", message: reason });
  }
  return { mode, imports, exports };
}
