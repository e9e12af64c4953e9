import type { Checkout } from "./checkout-store.js";
import type { LocalImage } from "./local-images.js";
import type { CollectionLimits } from "./settings.js";

/** What becomes of one thing, and why. */
export type Verdict = { readonly keep: boolean; readonly reason: string };

export interface CollectionPlan {
  readonly images: readonly { readonly image: LocalImage; readonly verdict: Verdict }[];
  readonly checkouts: readonly { readonly checkout: Checkout; readonly verdict: Verdict }[];
}

export interface CollectionInput {
  readonly images: readonly LocalImage[];
  readonly checkouts: readonly Checkout[];
  /** Runtimes that somebody is building at this moment. */
  readonly busyRuntimes: ReadonlySet<string>;
  readonly limits: CollectionLimits;
  /** Unix milliseconds. */
  readonly now: number;
}

/**
 * Decides what a collection removes. Never: an image of a container, one with a name that is not
 * ours, the newest of its runtime and platform, anything used within the grace period, anything of a
 * runtime that is being built. Of the rest goes what is too old, then what is too many, then the
 * oldest until the bytes fit. A checkout stays with its image.
 */
export function planCollection(input: CollectionInput): CollectionPlan {
  const images = [...input.images].sort((a, b) => b.usedAt - a.usedAt);
  const verdicts = new Map<LocalImage, Verdict>();
  const newest = newestOf(images);
  const counts = new Map<string, number>();

  for (const image of images) {
    const count = (counts.get(image.runtime) ?? 0) + 1;
    counts.set(image.runtime, count);
    verdicts.set(image, protectionOf(image, newest, input) ?? limitVerdict(image, count, input));
  }
  fitBytes(images, newest, verdicts, input);

  return {
    images: images.map((image) => ({ image, verdict: verdicts.get(image) ?? WITHIN_LIMITS })),
    checkouts: input.checkouts.map((checkout) => ({
      checkout,
      verdict: checkoutVerdict(checkout, images, verdicts, input),
    })),
  };
}

const WITHIN_LIMITS: Verdict = { keep: true, reason: "within the limits" };

/** `latest` of each runtime and platform, or the youngest where nothing is latest. */
function newestOf(images: readonly LocalImage[]): Set<LocalImage> {
  const best = new Map<string, LocalImage>();
  for (const image of images) {
    if (image.ref === undefined) continue;
    const key = `${image.runtime} ${image.platform ?? ""}`;
    const known = best.get(key);
    if (known === undefined || (image.latest && !known.latest)) best.set(key, image);
  }
  return new Set(best.values());
}

function protectionOf(
  image: LocalImage,
  newest: ReadonlySet<LocalImage>,
  input: CollectionInput,
): Verdict | undefined {
  const keep = (reason: string): Verdict => ({ keep: true, reason });
  if (image.usedBy.length > 0) return keep(`used by container ${image.usedBy.join(", ")}`);
  if (image.otherTags.length > 0) return keep(`also named ${image.otherTags.join(", ")}`);
  if (input.busyRuntimes.has(image.runtime)) return keep(`${image.runtime} is being built`);
  if (newest.has(image)) return keep(`the newest image of ${image.runtime}`);
  if (input.now - image.usedAt < input.limits.graceMs) return keep("used just now");
  return undefined;
}

function limitVerdict(image: LocalImage, count: number, input: CollectionInput): Verdict {
  const { limits, now } = input;
  if (image.ref === undefined) return { keep: false, reason: "replaced by another build" };
  if (now - image.usedAt > limits.maxAgeMs) {
    const days = Math.floor((now - image.usedAt) / (24 * 3600 * 1000));
    return { keep: false, reason: `not used for ${days} days` };
  }
  if (count > limits.keepPerRuntime) {
    return {
      keep: false,
      reason: `${limits.keepPerRuntime} newer images of ${image.runtime} exist`,
    };
  }
  return WITHIN_LIMITS;
}

/** Turns verdicts from the oldest on until what stays fits the byte limit. */
function fitBytes(
  images: readonly LocalImage[],
  newest: ReadonlySet<LocalImage>,
  verdicts: Map<LocalImage, Verdict>,
  input: CollectionInput,
): void {
  const checkoutBytes = input.checkouts.reduce((sum, { record }) => sum + record.sizeBytes, 0);
  let bytes = images
    .filter((image) => verdicts.get(image)?.keep)
    .reduce((sum, image) => sum + image.sizeBytes, checkoutBytes);
  for (const image of images.toReversed()) {
    if (bytes <= input.limits.maxBytes) return;
    if (verdicts.get(image)?.keep !== true || protectionOf(image, newest, input)) continue;
    verdicts.set(image, {
      keep: false,
      reason: `all together are larger than ${input.limits.maxBytes} bytes`,
    });
    bytes -= image.sizeBytes;
  }
}

function checkoutVerdict(
  checkout: Checkout,
  images: readonly LocalImage[],
  verdicts: ReadonlyMap<LocalImage, Verdict>,
  input: CollectionInput,
): Verdict {
  const { runtime, sha } = checkout.record;
  if (input.busyRuntimes.has(runtime)) return { keep: true, reason: `${runtime} is being built` };
  if (input.now - checkout.usedAt < input.limits.graceMs) {
    return { keep: true, reason: "used just now" };
  }
  const kept = images.some(
    (image) =>
      image.runtime === runtime && image.revisions.includes(sha) && verdicts.get(image)?.keep,
  );
  return kept
    ? { keep: true, reason: "its image is kept" }
    : { keep: false, reason: "no image of this commit stays" };
}
