import { createHash } from "node:crypto";

const HASH_LENGTH = 8;

/** As long as a tag may be. */
export const MAX_TAG_LENGTH = 128;

/**
 * A branch name as a part of a tag: what of it can be read, a dash, and 8 hex digits that tell apart
 * names that read alike. The same name gives the same text, of at most `maxLength` characters, at
 * least 9. The empty name gives `-e3b0c442`.
 */
export function canonicalizeRef(name: string, maxLength: number = MAX_TAG_LENGTH): string {
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9.-]/gu, "-")
    .replace(/-{2,}/g, "-")
    .replace(/^-|-$/g, "");
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${readable.slice(0, Math.max(0, maxLength - HASH_LENGTH - 1))}-${hash}`;
}
