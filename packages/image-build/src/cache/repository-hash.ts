import { createHash } from "node:crypto";

/** What builders, cache directories and cache tags call a repository by: 16 hex digits. */
export function repoHash(repositoryId: string): string {
  return createHash("sha256").update(repositoryId).digest("hex").slice(0, 16);
}
