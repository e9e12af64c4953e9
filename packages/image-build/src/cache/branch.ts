/** What is known of the branch that is built, most deliberate first. */
export interface BranchFacts {
  /** Set by the operator, or by a caller that knows. */
  readonly configured?: string | undefined;
  /** What HEAD of the checkout points at; undefined when it is detached. */
  readonly git?: string | undefined;
  /** As recorded in version information; `HEAD` and `unknown` there mean nothing. */
  readonly version?: string | undefined;
  /** `CI_COMMIT_BRANCH`. */
  readonly commitBranch?: string | undefined;
  /** `GITHUB_REF_NAME`. */
  readonly githubRefName?: string | undefined;
}

/** Whose cache a build reads and writes when nothing names a branch. */
const NO_BRANCH = "default";

/** The branch a build belongs to. */
export function resolveBranch(facts: BranchFacts): string {
  const candidates = [
    facts.configured,
    facts.git,
    facts.version === "HEAD" ? undefined : facts.version,
    facts.commitBranch,
    facts.githubRefName,
  ];
  // Some tools write the word unknown where they found no branch.
  return (
    candidates.find((name) => name !== undefined && name !== "" && name !== "unknown") ?? NO_BRANCH
  );
}
