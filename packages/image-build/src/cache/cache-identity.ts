import { resolveBranch, type BranchFacts } from "./branch.js";
import { resolveRepositoryId, type RepositoryFacts } from "./repository-id.js";

/** Whose cache it is. The same for the build that writes and the retention that removes. */
export interface CacheIdentity {
  readonly repositoryId: string;
  readonly branch: string;
  /** Read when the branch has no cache of its own yet, unless the settings name others. */
  readonly defaultBranch: string | undefined;
}

/** What the checkout and the caller know; the environment adds the rest. */
export interface CacheIdentityFacts {
  readonly repository?: Omit<RepositoryFacts, "projectPath"> | undefined;
  readonly branch?: Omit<BranchFacts, "commitBranch" | "githubRefName"> | undefined;
  readonly defaultBranch?: string | undefined;
}

/**
 * Whose cache a build on this machine uses: `MOLECULE_BUILD_REPOSITORY`, `MOLECULE_BUILD_BRANCH` and
 * `MOLECULE_BUILD_DEFAULT_BRANCH` win over what the checkout says and what a CI system sets.
 */
export function cacheIdentityFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  facts: CacheIdentityFacts = {},
): CacheIdentity {
  const repositoryId = resolveRepositoryId({
    ...facts.repository,
    configured: nonEmpty(env["MOLECULE_BUILD_REPOSITORY"]) ?? facts.repository?.configured,
    projectPath: env["CI_PROJECT_PATH"],
  });
  const branch = resolveBranch({
    ...facts.branch,
    configured: nonEmpty(env["MOLECULE_BUILD_BRANCH"]) ?? facts.branch?.configured,
    commitBranch: env["CI_COMMIT_BRANCH"],
    githubRefName: env["GITHUB_REF_NAME"],
  });
  const defaultBranch =
    nonEmpty(env["MOLECULE_BUILD_DEFAULT_BRANCH"]) ??
    facts.defaultBranch ??
    nonEmpty(env["CI_DEFAULT_BRANCH"]);
  return { repositoryId, branch, defaultBranch };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
