import type { BuildContext, CacheIdentity } from "@molecule-ai/image-build";
import type { CommandContext } from "../../run-command.js";

/**
 * Whose cache and builder it is: told by the environment, else by the repository that is built, else
 * by the checkout around a directory, which is the working directory when nothing is built.
 */
export async function readCacheIdentity(
  context: Pick<CommandContext, "settings">,
  source?: BuildContext,
): Promise<CacheIdentity> {
  const { cacheIdentityFromEnv, readGitFacts } = await import("@molecule-ai/image-build");
  const { cwd, env } = context.settings;
  if (source?.kind === "git") {
    return cacheIdentityFromEnv(env, { repository: { configured: source.url } });
  }
  const directory = source?.kind === "directory" ? source.path : cwd;
  const facts = await readGitFacts(directory);
  return cacheIdentityFromEnv(env, {
    repository: { remote: facts.remote, rootDirectory: facts.rootDirectory ?? directory },
    branch: { git: facts.branch },
  });
}
