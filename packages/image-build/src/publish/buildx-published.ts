import { formatImageReference, parseImageReference } from "@molecule-ai/registry-mode";
import type { BuildxMetadata } from "../buildx/metadata.js";
import { ImageBuildError } from "../errors.js";
import { splitDigest } from "./digest-text.js";
import type { PublishedImage } from "./published.js";
import { detectProvider } from "./provider.js";
import { normalizeRegistryHost } from "./registry-host.js";
import { isLocalTarget, referencesOf, type RegistryTarget } from "./registry-target.js";

type Named = Pick<RegistryTarget, "url" | "provider" | "credentials">;

/**
 * What the metadata of a build with buildx says was published, one record per name. Throws
 * `ERR_PUBLISH_RECORD` when it names nothing, or something that is no reference.
 */
export function publishedOfMetadata(
  metadata: Pick<BuildxMetadata, "digest" | "imageNames">,
  registries: readonly Named[],
): readonly PublishedImage[] {
  if (metadata.imageNames.length === 0) throw unproven("no image.name in metadata file");
  return metadata.imageNames.map((name) => recordOf(name, metadata.digest, registries));
}

/**
 * The records of a push by buildx itself, proven by its metadata: everything that was to be published
 * is named there. What is named besides (tags of the command line) is recorded too. Throws
 * `ERR_PUBLISH_RECORD`.
 */
export function verifyPublished(
  metadata: Pick<BuildxMetadata, "digest" | "imageNames"> | undefined,
  targets: readonly RegistryTarget[],
): readonly PublishedImage[] {
  if (metadata === undefined) {
    throw unproven("no metadata file for push build — cannot verify publish result");
  }
  if (metadata.digest === undefined) {
    throw unproven("buildx metadata has no digest — push may not have completed");
  }
  const expected = targets.filter((target) => !isLocalTarget(target)).flatMap(referencesOf);
  if (expected.length === 0) throw unproven("nothing was to be pushed to any registry");
  if (metadata.imageNames.length === 0) {
    throw unproven(
      "buildx metadata has digest but no image.name — cannot verify what was actually pushed",
    );
  }
  const published = publishedOfMetadata(
    metadata,
    targets.filter((target) => !isLocalTarget(target)),
  );
  const named = new Set(published.map(({ ref }) => ref));
  const missing = expected.map(formatImageReference).filter((ref) => !named.has(ref));
  if (missing.length > 0) {
    throw unproven(`buildx did not push ${missing.slice(0, 20).join(", ")}`);
  }
  return published;
}

function recordOf(
  name: string,
  digest: string | undefined,
  registries: readonly Named[],
): PublishedImage {
  const split = splitDigest(name);
  const { domain, path, tag = "" } = parse(split.name);
  const target = registries.find(({ url }) => hostOf(url) === domain);
  return {
    host: domain,
    path,
    tag,
    provider: target?.provider ?? detectProvider(domain),
    ref: name.includes("@") ? name : `${domain}/${path}:${tag}`,
    digest: split.digest ?? digest,
    credentialRef: target?.credentials,
    buildInstance: {},
  };
}

function parse(name: string): ReturnType<typeof parseImageReference> {
  try {
    return parseImageReference(name);
  } catch (cause) {
    throw unproven(`${JSON.stringify(name.slice(0, 200))} in image.name is no reference`, cause);
  }
}

function hostOf(url: string): string {
  return normalizeRegistryHost(url).split("/", 1)[0] ?? "";
}

function unproven(reason: string, cause?: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_PUBLISH_RECORD",
    `It is not known what was published: ${reason}.`,
    {
      hint: "Look at the registry, and publish again; buildx 0.10 or newer is needed.",
      cause,
    },
  );
}
