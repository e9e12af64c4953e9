import { LABELS } from "@molecule-ai/core";
import { isRuntimeName, localRepository } from "@molecule-ai/registry-mode";
import { isFullSha } from "./git-object.js";

/** What an image must be to serve as that of a commit. */
export interface WantedImage {
  readonly runtime: string;
  /** Platform asked for; undefined for the engine's own. */
  readonly platform: string | undefined;
  /** Digest of the builder settings; undefined to accept any. */
  readonly settings: string | undefined;
}

interface LabelledImage {
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** What our labels say of an image that was built here. */
export interface BuiltImageFacts {
  readonly runtime: string;
  /** The commit it was built from. */
  readonly revision: string;
  readonly tree: string;
  readonly source: string;
  readonly platform: string | undefined;
  readonly settings: string;
  readonly install: string;
  /** Commit time, Unix milliseconds. */
  readonly committedAt: number | undefined;
}

const NATIVE = "native";

export interface ImageLabelOptions extends WantedImage {
  readonly settings: string;
  readonly installId: string;
  readonly sha: string;
  readonly tree: string;
  readonly source: string;
  readonly committedAt: number | undefined;
}

/**
 * The labels an image gets. `molecule.platform.managed` is left out on purpose: containers inherit
 * the labels of their image, and one that a person runs by hand must not look managed.
 */
export function imageLabels(options: ImageLabelOptions): Record<string, string> {
  return {
    [LABELS.source]: options.source,
    [LABELS.revision]: options.sha,
    [LABELS.tree]: options.tree,
    ...(options.committedAt === undefined
      ? {}
      : { [LABELS.created]: new Date(options.committedAt).toISOString() }),
    [LABELS.platform]: options.platform ?? NATIVE,
    [LABELS.settings]: options.settings,
    [LABELS.runtime]: options.runtime,
    [LABELS.builtBy]: options.installId,
  };
}

/** Undefined for an image that was not built by us: a label is missing or means nothing. */
export function readImageLabels(
  labels: Readonly<Record<string, string>>,
): BuiltImageFacts | undefined {
  const runtime = labels[LABELS.runtime];
  const revision = labels[LABELS.revision];
  const tree = labels[LABELS.tree];
  const source = labels[LABELS.source];
  const platform = labels[LABELS.platform];
  const settings = labels[LABELS.settings];
  const install = labels[LABELS.builtBy];
  if (
    runtime === undefined ||
    revision === undefined ||
    tree === undefined ||
    source === undefined ||
    platform === undefined ||
    settings === undefined ||
    install === undefined ||
    !isRuntimeName(runtime) ||
    !isFullSha(revision) ||
    !isFullSha(tree)
  ) {
    return undefined;
  }
  const created = Date.parse(labels[LABELS.created] ?? "");
  return {
    runtime,
    revision,
    tree,
    source,
    platform: platform === NATIVE ? undefined : platform,
    settings,
    install,
    committedAt: Number.isNaN(created) ? undefined : created,
  };
}

/** The labels' facts when the image is one we built for `wanted`, whatever the commit. */
export function factsFor(image: LabelledImage, wanted: WantedImage): BuiltImageFacts | undefined {
  const facts = readImageLabels(image.labels);
  if (facts === undefined) return undefined;
  const fits =
    facts.runtime === wanted.runtime &&
    facts.platform === wanted.platform &&
    (wanted.settings === undefined || facts.settings === wanted.settings);
  return fits ? facts : undefined;
}

/**
 * True when the image stands for commit `sha`: built from it, or built from another commit of the
 * same tree and then tagged with the whole id of this one. Twelve digits of a tag prove nothing.
 */
export function standsForCommit(
  image: LabelledImage,
  facts: BuiltImageFacts,
  sha: string,
): boolean {
  return facts.revision === sha || hasTag(image, sameTreeTag(facts.runtime, sha));
}

/** `<repository>:<full sha>`: set once the tree of that commit is known to be the image's. */
export function sameTreeTag(runtime: string, sha: string): string {
  return `${localRepository(runtime)}:${sha}`;
}

/** True when the image has that tag; Podman puts `localhost/` before names without a registry. */
export function hasTag(image: Pick<LabelledImage, "tags">, tag: string): boolean {
  return image.tags.includes(tag) || image.tags.includes(`localhost/${tag}`);
}

/** Those of the image's tags that this package gives: its runtime's repository, and a commit or `latest`. */
export function ownTags(image: Pick<LabelledImage, "tags">, runtime: string): string[] {
  const prefix = `${localRepository(runtime)}:`;
  return image.tags.filter((tag) => {
    const name = tag.startsWith("localhost/") ? tag.slice("localhost/".length) : tag;
    if (!name.startsWith(prefix)) return false;
    const suffix = name.slice(prefix.length);
    return suffix === "latest" || /^[0-9a-f]{12}$/.test(suffix) || isFullSha(suffix);
  });
}
