import { LABELS } from "@molecule-ai/core";
import type { ContainerSummary, DockerEngine, ImageSummary } from "@molecule-ai/docker-engine";
import { localImageLatestTag, localImageTag } from "@molecule-ai/registry-mode";
import type { Checkout } from "./checkout-store.js";
import { isFullSha } from "./git-object.js";
import { hasTag, ownTags, readImageLabels, type BuiltImageFacts } from "./image-identity.js";

/** An image this installation built. */
export interface LocalImage {
  readonly imageId: string;
  readonly runtime: string;
  /** What to start it by; undefined when another build took over its tags. */
  readonly ref: string | undefined;
  /** The commit it was built from. */
  readonly revision: string;
  /** All commits it stands for: that one and later ones of the same tree. */
  readonly revisions: readonly string[];
  readonly tree: string;
  readonly source: string;
  readonly platform: string | undefined;
  readonly settings: string;
  /** Tags of ours. */
  readonly tags: readonly string[];
  /** Tags that somebody else gave it. */
  readonly otherTags: readonly string[];
  /** True for the one `latest` means. */
  readonly latest: boolean;
  /** As the engine counts: layers shared with other images included. */
  readonly sizeBytes: number;
  /** Unix milliseconds. */
  readonly builtAt: number;
  readonly committedAt: number | undefined;
  /** When a workspace last asked for it, Unix milliseconds; at least `builtAt`. */
  readonly usedAt: number;
  /** Names of the containers made from it, running or not. */
  readonly usedBy: readonly string[];
  /** Where the template's files are, when they are. */
  readonly checkoutPath: string | undefined;
}

/** The images of one installation, newest first. */
export async function listLocalImages(options: {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly checkouts: readonly Checkout[];
  readonly signal?: AbortSignal | undefined;
}): Promise<LocalImage[]> {
  const { engine, signal } = options;
  const [images, containers] = await Promise.all([
    engine.images.list({ labels: [`${LABELS.builtBy}=${options.installId}`] }, { signal }),
    engine.containers.list({ all: true }, { signal }),
  ]);
  return images
    .flatMap((image) => {
      const facts = readImageLabels(image.labels);
      return facts?.install === options.installId
        ? [describeImage(image, facts, containers, options.checkouts)]
        : [];
    })
    .filter((image) => image.tags.length > 0 || image.otherTags.length === 0)
    .sort((a, b) => b.usedAt - a.usedAt);
}

function describeImage(
  image: ImageSummary,
  facts: BuiltImageFacts,
  containers: readonly ContainerSummary[],
  checkouts: readonly Checkout[],
): LocalImage {
  const tags = ownTags(image, facts.runtime);
  const revisions = revisionsOf(image, facts);
  const own = checkouts.filter(
    ({ record }) => record.runtime === facts.runtime && revisions.includes(record.sha),
  );
  return {
    imageId: image.id,
    runtime: facts.runtime,
    ref: startTag(image, facts),
    revision: facts.revision,
    revisions,
    tree: facts.tree,
    source: facts.source,
    platform: facts.platform,
    settings: facts.settings,
    tags,
    otherTags: image.tags.filter((tag) => !tags.includes(tag) && !tag.startsWith("<none>")),
    latest: hasTag(image, localImageLatestTag(facts.runtime)),
    sizeBytes: image.sizeBytes,
    builtAt: image.createdAt,
    committedAt: facts.committedAt,
    usedAt: Math.max(image.createdAt, ...own.map((checkout) => checkout.usedAt)),
    usedBy: containers
      .filter(({ imageId, image: name }) => imageId === image.id || image.tags.includes(name))
      .map((container) => container.name),
    checkoutPath: own[0]?.path,
  };
}

/** The commit the image was built from, and those it was tagged for because they have its tree. */
export function revisionsOf(
  image: Pick<ImageSummary, "tags">,
  facts: Pick<BuiltImageFacts, "runtime" | "revision">,
): string[] {
  const tagged = ownTags(image, facts.runtime)
    .map((tag) => tag.slice(tag.lastIndexOf(":") + 1))
    .filter(isFullSha);
  return [...new Set([facts.revision, ...tagged])];
}

/** The tag of a commit the image stands for. */
export function startTag(
  image: Pick<ImageSummary, "tags">,
  facts: Pick<BuiltImageFacts, "runtime" | "revision">,
): string | undefined {
  return revisionsOf(image, facts)
    .map((sha) => localImageTag(facts.runtime, sha))
    .find((tag) => hasTag(image, tag));
}
