import { createHash, randomUUID } from "node:crypto";

/** A new workspace id: a random UUID in lower case. */
export function createWorkspaceId(): string {
  return randomUUID();
}

const INSTALL_ID = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;

/** True for 1 to 63 characters of `a-z 0-9 . _ -` that start and end with a letter or digit. */
export function isInstallId(text: string): boolean {
  return INSTALL_ID.test(text);
}

/**
 * The install id of a user on an engine: the same from every machine and after every loss of a home
 * directory, different for two users of one engine.
 */
export function deriveInstallId(engineId: string, userName: string): string {
  const digest = createHash("sha256").update(`${engineId}\n${userName}`).digest("hex");
  return `cli-${digest.slice(0, 12)}`;
}
