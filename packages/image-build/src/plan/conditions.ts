/** Named patterns that conditions can refer to. */
export interface ConditionPolicies {
  readonly branches?: Readonly<Record<string, string>> | undefined;
  readonly gitTags?: Readonly<Record<string, string>> | undefined;
}

export interface TargetConditions {
  /**
   * Each the name of a policy, `re:` and a regular expression, or such an expression; with `!` in
   * front it excludes. Only from settings that may be trusted: an expression can be made to take for
   * ever.
   */
  readonly branches?: readonly string[] | undefined;
  readonly gitTags?: readonly string[] | undefined;
}

/** Git takes no longer names. */
const MAX_NAME_LENGTH = 1024;

/** Whether a target is meant for this branch and this tag: both conditions have to hold. */
export function isTargetAllowed(options: {
  readonly conditions: TargetConditions;
  readonly policies?: ConditionPolicies | undefined;
  readonly branch: string;
  /** Empty or undefined for none. */
  readonly gitTag?: string | undefined;
}): boolean {
  const { conditions, policies = {}, branch, gitTag = "" } = options;
  const { branches = [], gitTags = [] } = conditions;
  if (gitTags.length > 0 && gitTag === "") return false;
  return (
    matchesList(branches, branch, policies.branches ?? {}) &&
    matchesList(gitTags, gitTag, policies.gitTags ?? {})
  );
}

function matchesList(
  entries: readonly string[],
  name: string,
  policies: Readonly<Record<string, string>>,
): boolean {
  if (entries.length === 0) return true;
  if (name.length > MAX_NAME_LENGTH) return false;
  const matches = (entry: string): boolean => matchesEntry(entry, name, policies);
  const excludes = entries.filter((entry) => entry.startsWith("!"));
  const includes = entries.filter((entry) => !entry.startsWith("!"));
  if (excludes.some((entry) => matches(entry.slice(1)))) return false;
  return includes.length === 0 || includes.some(matches);
}

function matchesEntry(
  entry: string,
  name: string,
  policies: Readonly<Record<string, string>>,
): boolean {
  const pattern = Object.hasOwn(policies, entry) ? policies[entry] : undefined;
  const source = pattern ?? (entry.startsWith("re:") ? entry.slice("re:".length) : entry);
  try {
    return new RegExp(source, "u").test(name);
  } catch {
    // What is no expression is a name.
    return source === name;
  }
}
