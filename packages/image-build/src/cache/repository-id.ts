/** What is known of where the sources come from, most deliberate first. */
export interface RepositoryFacts {
  /** Set by the operator, or by a caller that knows: for example the URL a template is built from. */
  readonly configured?: string | undefined;
  /** `CI_PROJECT_PATH`. */
  readonly projectPath?: string | undefined;
  /** URL of the remote `origin`. */
  readonly remote?: string | undefined;
  readonly rootDirectory?: string | undefined;
}

/**
 * The one name of a repository: builders, cache directories, cache tags and their retention all use
 * it. It is taken as written, only without user name and password of a URL, which come and go:
 * two addresses of one repository are two names until the operator gives it one.
 */
export function resolveRepositoryId(facts: RepositoryFacts): string {
  const named = [facts.configured, facts.projectPath, facts.remote, facts.rootDirectory].find(
    (text) => text !== undefined && text !== "",
  );
  return named === undefined ? "unknown" : withoutUserinfo(named);
}

/** `https://token@host/o/r` → `https://host/o/r`; the user of `git@host:o/r` is part of the name. */
function withoutUserinfo(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,31}:\/\//i.exec(text)?.[0];
  if (scheme === undefined || /^ssh:/i.test(scheme)) return text;
  const rest = text.slice(scheme.length);
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  return scheme + rest.slice(authority.lastIndexOf("@") + 1);
}
