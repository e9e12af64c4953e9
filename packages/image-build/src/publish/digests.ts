import { systemClock, type Clock } from "@molecule-ai/core";
import type { DockerEngine, ImageInfo } from "@molecule-ai/docker-engine";
import { isRegistryError, type RegistryClient } from "@molecule-ai/registry-client";
import { isDigest } from "@molecule-ai/registry-mode";
import { ImageBuildError } from "../errors.js";
import { localDigestOf } from "./local-digest.js";

/** Who said a digest. */
export type DigestSource = "metadata" | "push" | "registry" | "local";

/** The digest of a published tag, and who said so. */
export interface PublishedDigest {
  readonly digest: string;
  /** In the order they were asked; they all said the same. */
  readonly sources: readonly DigestSource[];
}

export interface PublishedDigestOptions {
  readonly tag: string;
  /** From the metadata of the build. One that is the image's id, as the docker driver writes it, does not count. */
  readonly metadata?:
    { readonly digest: string | undefined; readonly configDigest?: string | undefined } | undefined;
  /** What the engine said when it had pushed it. */
  readonly pushed?: string | undefined;
  readonly registry: Pick<RegistryClient, "resolve">;
  /** Knows what it pushed or pulled. */
  readonly engine?: { readonly images: Pick<DockerEngine["images"], "inspect"> } | undefined;
  /** How often the registry is asked while it does not show the tag yet; default 6. */
  readonly attempts?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_ATTEMPTS = 6;
const STEP_MS = 500;

/**
 * The digest of a tag that was published: from the build's metadata or the push, from the registry,
 * and from the engine where neither says it. All who say one have to say the same: throws
 * `ERR_PUBLISH_DIGEST` when they do not, when the registry does not have the tag, and when nobody
 * says any.
 */
export async function resolvePublishedDigest(
  options: PublishedDigestOptions,
): Promise<PublishedDigest> {
  const { tag, metadata, pushed, signal } = options;
  const image = await options.engine?.images.inspect(tag, { signal });
  const said = new Map<DigestSource, string>();
  const built = manifestDigestOf(metadata, image);
  if (built !== undefined) said.set("metadata", built);
  if (pushed !== undefined) said.set("push", pushed);

  const registry = await askRegistry(options);
  if (registry.digest !== undefined) said.set("registry", registry.digest);
  if (said.size === 0 && image !== undefined) {
    const local = localDigestOf(tag, image.digests);
    if (local !== undefined) said.set("local", local);
  }
  const [first] = said.values();
  if (first === undefined) throw nobodySays(tag, registry.cause);
  if ([...said.values()].some((digest) => digest !== first)) throw disagreement(tag, said);
  return { digest: first, sources: [...said.keys()] };
}

/** The docker driver gives the id of the image for its digest. */
function manifestDigestOf(
  metadata: PublishedDigestOptions["metadata"],
  image: ImageInfo | undefined,
): string | undefined {
  const digest = metadata?.digest;
  if (digest === undefined || !isDigest(digest) || digest === metadata?.configDigest) {
    return undefined;
  }
  // A store that names images by their manifests has it among its repository digests too.
  const isImageId = image?.id === digest;
  return isImageId && !image.digests.some((entry) => entry.endsWith(`@${digest}`))
    ? undefined
    : digest;
}

/**
 * Waits until the registry shows the tag: some answer from copies that come later. Undefined only
 * when it cannot be asked, which is no proof of anything.
 */
async function askRegistry({
  tag,
  registry,
  signal,
  attempts = DEFAULT_ATTEMPTS,
  clock = systemClock,
  metadata,
  pushed,
}: PublishedDigestOptions): Promise<{
  readonly digest: string | undefined;
  readonly cause: unknown;
}> {
  const isExpected = metadata !== undefined || pushed !== undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const found = await registry.resolve(tag, { signal });
      if (found !== undefined) return { digest: found.digest, cause: undefined };
      if (attempt >= attempts) throw absent(tag, isExpected);
    } catch (cause) {
      signal?.throwIfAborted();
      if (!isRegistryError(cause)) throw cause;
      // What it says is wrong: that it cannot be asked would be no reason to fail.
      if (cause.code === "ERR_REGISTRY_DIGEST") throw cause;
      if (!cause.retryable || attempt >= attempts) return { digest: undefined, cause };
    }
    await clock.sleep(STEP_MS * attempt, signal);
  }
}

function absent(tag: string, isExpected: boolean): ImageBuildError {
  return new ImageBuildError(
    "ERR_PUBLISH_DIGEST",
    `The registry does not have ${tag}${isExpected ? ", although it was pushed" : ""}.`,
    {
      hint: isExpected
        ? "Push it again, and look at the log of the registry."
        : "Check name and tag; registries also say this of private images to those they do not know.",
      details: { tag },
    },
  );
}

function disagreement(tag: string, said: ReadonlyMap<DigestSource, string>): ImageBuildError {
  const list = [...said].map(([source, digest]) => `${source} ${digest}`).join(", ");
  return new ImageBuildError("ERR_PUBLISH_DIGEST", `There is no one digest of ${tag}: ${list}.`, {
    hint: "Somebody else pushed the same tag, or something on the way changes images: publish it again under a tag of its own.",
    details: { tag, digests: Object.fromEntries(said) },
  });
}

function nobodySays(tag: string, cause: unknown): ImageBuildError {
  return new ImageBuildError("ERR_PUBLISH_DIGEST", `Nobody says the digest of ${tag}.`, {
    hint: "Check that the registry can be asked from here with the same credentials.",
    details: { tag },
    cause,
  });
}
