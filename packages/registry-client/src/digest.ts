import { isDigest } from "@molecule-ai/registry-mode";
import { createHash, type Hash } from "node:crypto";
import { wrongArgument } from "./errors.js";

/** `sha256:…` of bytes; with `like`, by the algorithm of that digest. */
export function digestOf(bytes: Uint8Array, like = "sha256:"): string {
  const hash = hashLike(like);
  return formatDigest(hash.update(bytes), like);
}

/** A hash by the algorithm of a valid digest. */
export function hashLike(digest: string): Hash {
  return createHash(algorithmOf(digest));
}

export function formatDigest(hash: Hash, like: string): string {
  return `${algorithmOf(like)}:${hash.digest("hex")}`;
}

function algorithmOf(digest: string): string {
  return digest.slice(0, digest.indexOf(":"));
}

/** Throws `ERR_REGISTRY_ARGUMENT`. */
export function checkDigest(digest: string): void {
  if (isDigest(digest)) return;
  throw wrongArgument(
    `${JSON.stringify(digest.slice(0, 200))} is no digest.`,
    "A digest is sha256: and 64 lower-case hex digits.",
  );
}
