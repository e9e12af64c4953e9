import {
  LABELS,
  runStage,
  SharedWork,
  systemClock,
  type Clock,
  type WorkContext,
} from "@molecule-ai/core";
import type { DockerEngine, ImageInfo } from "@molecule-ai/docker-engine";
import {
  familiarName,
  isMovingTag,
  parseImageReference,
  parsePlatform,
  pinnedImage,
  type EnsureImageOptions,
  type ResolvedImage,
} from "@molecule-ai/registry-mode";
import { ImageSourceError } from "./errors.js";

export interface ImagePullerOptions {
  readonly engine: DockerEngine;
  /** `os/arch[/variant]`; undefined means the engine's own. */
  readonly platform?: string | undefined;
  readonly clock?: Clock | undefined;
}

export interface PullRequest extends EnsureImageOptions {
  /** What the image is for, in messages. */
  readonly runtime?: string | undefined;
}

/** Makes one image present on the engine. */
export type EnsureImage = (ref: string, request?: PullRequest) => Promise<ResolvedImage>;

/**
 * Pulls when the image is missing or its tag is one that moves. When such a pull fails, the image
 * that is here is not started instead, because nobody would notice: `offline` asks for that.
 *
 * Throws `ERR_IMAGE_PULL_FAILED` with the engine's error as cause, `ERR_IMAGE_NOT_PRESENT` when
 * offline, `ERR_IMAGE_PLATFORM_MISMATCH` when the image is for another platform. Callers for the
 * same image share one pull.
 */
export function createImagePuller(options: ImagePullerOptions): EnsureImage {
  const { engine, platform } = options;
  const clock = options.clock ?? systemClock;
  const work = new SharedWork<ResolvedImage>();

  const ensure = async (
    ref: string,
    request: PullRequest,
    { signal, onEvent }: WorkContext,
  ): Promise<ResolvedImage> => {
    const present = await engine.images.inspect(ref, { signal });
    const fits = present !== undefined && matches(present, platform);
    if (fits && (request.offline === true || !isMovingTag(ref))) {
      return resolved(ref, present, undefined, "present", platform);
    }
    if (request.offline === true) throw notPresent(ref, request.runtime);
    const { digest } = await runStage(
      { stage: "pull", subject: ref, clock, onEvent, outcome: () => "pulled" },
      () => pull(ref, request, { signal, onEvent }),
    );
    const pulled = await engine.images.inspect(ref, { signal });
    if (pulled === undefined) throw notPresent(ref, request.runtime);
    if (!matches(pulled, platform)) throw mismatch(ref, pulled, platform);
    return resolved(ref, pulled, digest, "pulled", platform);
  };

  const pull = async (
    ref: string,
    request: PullRequest,
    { signal, onEvent }: WorkContext,
  ): Promise<{ readonly digest: string | undefined }> => {
    try {
      return await engine.images.pull(ref, { platform, signal, onEvent });
    } catch (error) {
      signal.throwIfAborted();
      throw pullFailed(ref, request.runtime, error);
    }
  };

  return (ref, request = {}) => {
    parseImageReference(ref);
    const key = JSON.stringify([ref, platform, request.offline === true]);
    const { signal, onEvent } = request;
    return work.run(key, { subject: ref, signal, onEvent }, (context) =>
      ensure(ref, request, context),
    );
  };
}

function resolved(
  ref: string,
  image: ImageInfo,
  pulledDigest: string | undefined,
  outcome: "present" | "pulled",
  platform: string | undefined,
): ResolvedImage {
  const digest = pulledDigest ?? digestOf(ref, image);
  return {
    ref: exactReference(ref, image, digest),
    imageId: image.id,
    digest,
    revision: image.labels[LABELS.revision],
    tree: image.labels[LABELS.tree],
    source: image.labels[LABELS.source],
    platform,
    outcome,
    templatePath: undefined,
  };
}

/** The engine's digest of this very repository; an image may have those of others too. */
function digestOf(ref: string, image: ImageInfo): string | undefined {
  const reference = parseImageReference(ref);
  if (reference.digest !== undefined) return reference.digest;
  const prefix = `${familiarName(reference)}@`;
  return image.digests.find((digest) => digest.startsWith(prefix))?.slice(prefix.length);
}

/** By digest when the engine knows the image by it, else by id: a tag may move before the create. */
function exactReference(ref: string, image: ImageInfo, digest: string | undefined): string {
  if (!isMovingTag(ref)) return ref;
  if (digest === undefined) return image.id;
  const pinned = pinnedImage(ref, digest);
  return image.digests.includes(pinned) ? pinned : image.id;
}

function matches(image: ImageInfo, platform: string | undefined): boolean {
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  if (wanted === undefined) return true;
  if (image.os !== wanted.os || image.arch !== wanted.arch) return false;
  const variant = image.variant ?? "";
  return wanted.variant === undefined || variant === "" || variant === wanted.variant;
}

function pullFailed(ref: string, runtime: string | undefined, error: unknown): ImageSourceError {
  const reason = error instanceof Error ? error.message : String(error);
  const retryable = (error as { retryable?: unknown }).retryable === true;
  const code = (error as { code?: unknown }).code;
  const whom = runtime ?? ref;
  return new ImageSourceError(
    "ERR_IMAGE_PULL_FAILED",
    `The image "${ref}" could not be pulled: ${reason}`,
    {
      hint: `Verify the registry visibility for ${whom}, its credentials, and that this machine reaches the registry; --offline starts an image that is here already.`,
      cause: error,
      retryable,
      details: { image: ref, ...(typeof code === "string" ? { cause: code } : {}) },
    },
  );
}

function notPresent(ref: string, runtime: string | undefined): ImageSourceError {
  return new ImageSourceError("ERR_IMAGE_NOT_PRESENT", `The image "${ref}" is not on the engine.`, {
    hint: `Run it once online, and verify the registry visibility for ${runtime ?? ref}.`,
    details: { image: ref },
  });
}

function mismatch(ref: string, image: ImageInfo, platform: string | undefined): ImageSourceError {
  return new ImageSourceError(
    "ERR_IMAGE_PLATFORM_MISMATCH",
    `The image "${ref}" is for ${image.os}/${image.arch}, not for ${platform ?? "this engine"}.`,
    {
      hint: "Set MOLECULE_IMAGE_PLATFORM to a platform the image exists for.",
      details: { image: ref, os: image.os, arch: image.arch, platform: platform ?? null },
    },
  );
}
