import { repoHash } from "../cache/repository-hash.js";

/** The builder of a repository: no two repositories share one, so none fills another's cache. */
export function builderName(repositoryId: string, namespace: string): string {
  return `${namespace}-${repoHash(repositoryId).slice(0, 8)}`;
}
