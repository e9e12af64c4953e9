import { ImageBuildError } from "../errors.js";
import type { PublishedImage } from "./published.js";
import { normalizeRegistryHost } from "./registry-host.js";

/**
 * Records of one tag become one, with hosts and references in their usual form; in the order of
 * host, path and tag. What one leaves out the other fills in. Throws `ERR_PUBLISH_RECORD` when two
 * tell different digests.
 */
export function mergePublished(images: readonly PublishedImage[]): readonly PublishedImage[] {
  const byRef = new Map<string, PublishedImage>();
  for (const image of images) {
    const host = normalizeRegistryHost(image.host);
    const ref = `${host}/${image.path}:${image.tag}`;
    const own = { ...image, host, ref };
    const known = byRef.get(ref);
    byRef.set(ref, known === undefined ? own : mergeTwo(known, own));
  }
  return [...byRef.values()].sort(
    (a, b) => compare(a.host, b.host) || compare(a.path, b.path) || compare(a.tag, b.tag),
  );
}

function mergeTwo(known: PublishedImage, other: PublishedImage): PublishedImage {
  if (known.digest !== undefined && other.digest !== undefined && known.digest !== other.digest) {
    throw new ImageBuildError(
      "ERR_PUBLISH_RECORD",
      `conflicting digests for ${known.ref}: ${known.digest} vs ${other.digest}`,
      {
        hint: "One tag was published twice with different content: give each build tags of its own.",
        details: { ref: known.ref },
      },
    );
  }
  // The one that knows the digest knows what was published.
  const [better, lesser] =
    known.digest === undefined && other.digest !== undefined ? [other, known] : [known, other];
  return {
    ...lesser,
    ...withoutGaps(better),
    buildInstance: { ...lesser.buildInstance, ...withoutGaps(better.buildInstance) },
  };
}

/** Without what is undefined or empty: that is no reason to forget what the other says. */
function withoutGaps<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== undefined && item !== ""),
  ) as T;
}

/** By bytes, the same everywhere. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
