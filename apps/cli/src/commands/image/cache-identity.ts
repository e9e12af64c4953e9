import type { CacheIdentity } from "@molecule-ai/image-build";
import type { CommandContext } from "../../run-command.js";

/** Whose cache and builder it is: told by the environment, else by the checkout around a directory. */
export async function readCacheIdentity(
  context: Pick<CommandContext, "settings">,
  directory: string,
): Promise<CacheIdentity> {
  const { cacheIdentityFromEnv, readGitFacts } = await import("@molecule-ai/image-build");
  const facts = await readGitFacts(directory);
  return cacheIdentityFromEnv(context.settings.env, {
    repository: { remote: facts.remote, rootDirectory: facts.rootDirectory ?? directory },
    branch: { git: facts.branch },
  });
}
