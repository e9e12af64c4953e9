import { formatImageReference, parseImageReference } from "@molecule-ai/registry-mode";
import { ImageTrustError } from "./errors.js";

/** An image named by what it is, not by what somebody calls it today. */
export interface DigestReference {
  /** `registry.example.com/team/app`, with the registry always written out. */
  readonly repository: string;
  /** `sha256:…`. */
  readonly digest: string;
}

/**
 * Reads `repository@sha256:…`; a tag beside the digest is dropped, because it says nothing. A tag
 * alone is refused with `ERR_TRUST_REFERENCE`: it may mean another image by the time it is used.
 */
export function parseDigestReference(text: string): DigestReference {
  const { domain, path, digest } = parseImageReference(text);
  if (digest?.startsWith("sha256:") !== true) {
    throw new ImageTrustError("ERR_TRUST_REFERENCE", `${text} does not name a digest.`, {
      hint: "Give the image as repository@sha256:…; `molecule-provisioner image digest` finds it.",
    });
  }
  const repository = formatImageReference({ domain, path, tag: undefined, digest: undefined });
  return { repository, digest };
}

export function formatDigestReference({ repository, digest }: DigestReference): string {
  return `${repository}@${digest}`;
}

/** The tag under which cosign keeps what belongs to a digest: `sha256-<hex>.sig`, `.att`. */
export function attachmentTag(digest: string, kind: "sig" | "att"): string {
  return `${digest.replace(":", "-")}.${kind}`;
}
