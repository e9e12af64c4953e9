/** What may be done to one thing: `repository:org/app:pull,push`. */
export interface Scope {
  /** `repository:org/app`, `registry:catalog`. */
  readonly resource: string;
  readonly actions: readonly string[];
}

export function repositoryScope(path: string, ...actions: readonly string[]): Scope {
  return { resource: `repository:${path}`, actions };
}

// A registry asks for one or two.
const MOST_SCOPES = 16;
const SCOPE = /^[!-~]{1,512}$/;

/** The scopes of a challenge; what cannot be one is left out. */
export function parseScopes(text: string): Scope[] {
  return text
    .split(/\s+/)
    .slice(0, MOST_SCOPES)
    .flatMap((word) => {
      const colon = word.lastIndexOf(":");
      if (!SCOPE.test(word) || colon < 1) return [];
      const actions = word
        .slice(colon + 1)
        .split(",")
        .filter((action) => action !== "");
      return actions.length === 0 ? [] : [{ resource: word.slice(0, colon), actions }];
    });
}

/** Every resource once with all its actions, in a fixed order. */
export function mergeScopes(scopes: readonly Scope[]): Scope[] {
  const merged = new Map<string, Set<string>>();
  for (const { resource, actions } of scopes) {
    const known = merged.get(resource) ?? new Set();
    for (const action of actions) known.add(action);
    merged.set(resource, known);
  }
  return [...merged]
    .map(([resource, actions]) => ({ resource, actions: [...actions].sort() }))
    .sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

/** True when `granted` allows everything in `wanted`. */
export function coversScopes(granted: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((want) =>
    want.actions.every((action) =>
      granted.some(
        ({ resource, actions }) => resource === want.resource && actions.includes(action),
      ),
    ),
  );
}

export function formatScope({ resource, actions }: Scope): string {
  return `${resource}:${actions.join(",")}`;
}
