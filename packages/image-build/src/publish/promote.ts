import type { EventSink } from "@molecule-ai/core";
import type { CopyEvent, RegistryClient } from "@molecule-ai/registry-client";
import {
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from "@molecule-ai/registry-mode";
import { ImageBuildError } from "../errors.js";
import type { PublishedImage } from "./published.js";
import { providerOf, referencesOf, isLocalTarget, type RegistryTarget } from "./registry-target.js";

export interface CopyImageOptions {
  readonly registry: Pick<RegistryClient, "copy" | "resolve">;
  /** Tag or digest; a digest is what is copied, whatever the tag means by then. */
  readonly source: string;
  readonly target: string;
  /** Signatures and attestations go along. Default true. */
  readonly referrers?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink<CopyEvent> | undefined;
}

/**
 * Copies an image, with all its platforms, from registry to registry: without an engine, without a
 * rebuild, the digest unchanged, which is looked at afterwards. Throws `ERR_PUBLISH_DIGEST` and the
 * `RegistryError` of either registry.
 */
export async function copyImage(options: CopyImageOptions): Promise<{ readonly digest: string }> {
  const { registry, source, target, signal, onEvent } = options;
  const named = withTag(parseImageReference(target));
  const { digest } = await registry.copy(source, formatImageReference(named), {
    referrers: options.referrers ?? true,
    signal,
    onEvent,
  });
  const found = await registry.resolve(formatImageReference(named), { signal });
  if (found?.digest === digest) return { digest };
  throw new ImageBuildError(
    "ERR_PUBLISH_DIGEST",
    `${formatImageReference(named)} is ${found?.digest ?? "absent"} after the copy, not ${digest}.`,
    {
      hint: "Somebody else writes the same tag: promote to a tag of its own.",
      details: { source, target: formatImageReference(named), digest },
    },
  );
}

export interface PromoteOptions {
  readonly registry: CopyImageOptions["registry"];
  /** What was published; only one with a digest can be promoted. */
  readonly image: Pick<PublishedImage, "host" | "path" | "digest" | "ref" | "buildInstance">;
  readonly targets: readonly RegistryTarget[];
  readonly referrers?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink<CopyEvent> | undefined;
}

/**
 * Promotes a published image to every tag of the targets, by its digest: what the source's tag has
 * come to mean since does not matter. Resolves to the new records. After a failure what was promoted
 * before stays; doing it again copies only what is missing.
 */
export async function promoteImage(options: PromoteOptions): Promise<readonly PublishedImage[]> {
  const { image, targets, registry, referrers, signal, onEvent } = options;
  if (image.digest === undefined) {
    throw new ImageBuildError(
      "ERR_PUBLISH_DIGEST",
      `${image.ref} was published without a digest and cannot be promoted.`,
      { hint: "Publish it again where its registry can be asked.", details: { ref: image.ref } },
    );
  }
  const source = `${image.host}/${image.path}@${image.digest}`;
  const promoted: PublishedImage[] = [];
  for (const target of targets) {
    if (isLocalTarget(target)) continue;
    for (const reference of referencesOf(target)) {
      const ref = formatImageReference(reference);
      const { digest } = await copyImage({
        registry,
        source,
        target: ref,
        referrers,
        signal,
        onEvent,
      });
      promoted.push({
        host: reference.domain,
        path: reference.path,
        tag: reference.tag ?? "latest",
        provider: providerOf(target),
        ref,
        digest,
        credentialRef: target.credentials,
        buildInstance: image.buildInstance,
      });
    }
  }
  return promoted;
}

function withTag(reference: ImageReference): ImageReference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: "latest" }
    : reference;
}
