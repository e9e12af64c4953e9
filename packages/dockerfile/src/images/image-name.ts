/** An image reference taken apart; nothing in it is checked. */
export interface ImageName {
  /** `docker.io` when none is written. */
  readonly registry: string;
  /** Everything between registry and tag, `library/` in front of Docker Hub's own images. */
  readonly repository: string;
  /** The last part of the repository. */
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const DEFAULT_REGISTRY = "docker.io";

export function splitImageName(reference: string): ImageName {
  const at = reference.indexOf("@");
  const digest = at === -1 ? undefined : reference.slice(at + 1);
  const named = at === -1 ? reference : reference.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const path = colon === -1 ? named : named.slice(0, colon);
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = hasRegistry ? first : DEFAULT_REGISTRY;
  const rest = hasRegistry ? path.slice(slash + 1) : path;
  const isOfficial = registry === DEFAULT_REGISTRY && !rest.includes("/");
  return {
    registry,
    repository: isOfficial ? `library/${rest}` : rest,
    name: rest.slice(rest.lastIndexOf("/") + 1),
    tag,
    digest,
  };
}

/** `1.26.1-alpine3.23` is version 1.26.1 with the suffix alpine3.23. */
export function splitTag(tag: string): { readonly version: string; readonly suffix: string } {
  const dash = tag.indexOf("-");
  if (dash === -1) return { version: tag, suffix: "" };
  return { version: tag.slice(0, dash), suffix: tag.slice(dash + 1) };
}
