import { isProvisionerError, LABELS } from "@molecule-ai/core";
import type { ImageSummary } from "@molecule-ai/docker-engine";
import { localImageLatestTag, localImageTag, localRepository } from "@molecule-ai/registry-mode";
import type { Checkout } from "./checkout-store.js";
import type { EnsureRun } from "./ensure-run.js";
import { factsFor, hasTag, standsForCommit, type BuiltImageFacts } from "./image-identity.js";
import { revisionsOf, startTag } from "./local-images.js";

/** An image that stands for a commit, and the template's files if they are here. */
export interface FoundImage {
  readonly imageId: string;
  readonly tags: readonly string[];
  readonly facts: BuiltImageFacts;
  readonly checkout: Checkout | undefined;
}

/** Failures after which building cannot succeed either. */
const HOPELESS = new Set([
  "ERR_ENGINE_UNREACHABLE",
  "ERR_ENGINE_PERMISSION",
  "ERR_ENGINE_UNAUTHORIZED",
  "ERR_ENGINE_CLOSED",
]);

/**
 * The image of a commit, when there is one to trust: one call to the engine and one file. When the
 * engine answers but cannot say, the image is built: doubt is not taken for presence.
 */
export async function findImage(
  run: EnsureRun,
  sha: string,
  options: { readonly anySettings?: boolean } = {},
): Promise<FoundImage | undefined> {
  const { engine, store, settings } = run.dependencies;
  const [image, checkout] = await run.withDeadline(
    "image lookup",
    settings.timeouts.headMs,
    (signal) =>
      Promise.all([
        engine.images
          .inspect(localImageTag(run.runtime, sha), { signal })
          .catch((error: unknown) => {
            signal.throwIfAborted();
            if (isProvisionerError(error) && HOPELESS.has(error.code)) throw error;
            run.warn(
              "WARN_LOCAL_BUILD_IMAGE_LOOKUP",
              "The engine cannot say whether the image exists, so it is built",
              error,
            );
            return undefined;
          }),
        store.find(run.runtime, sha),
      ]),
  );
  if (image === undefined) return undefined;
  const facts = trust(run, image, options.anySettings ?? false);
  if (facts === undefined || !standsForCommit(image, facts, sha)) return undefined;
  if (checkout !== undefined && checkout.record.tree !== facts.tree) return undefined;
  return { imageId: image.id, tags: image.tags, facts, checkout };
}

/** A look at the image `latest` means, taken while the head is still being asked for. */
export interface LatestGuess extends AsyncDisposable {
  /** That image, if it stands for commit `sha`; waits for the look to end. */
  matching(sha: string): Promise<FoundImage | undefined>;
}

/**
 * Starts looking at `latest`. It nearly always is the head's image, and then the head lookup is all
 * a caller waits for. A failure is no guess; disposing ends the look.
 */
export function guessLatest(run: EnsureRun): LatestGuess {
  const { engine, store } = run.dependencies;
  const controller = new AbortController();
  const signal = AbortSignal.any([run.signal, controller.signal]);
  const look = async (): Promise<FoundImage[]> => {
    const image = await engine.images.inspect(localImageLatestTag(run.runtime), { signal });
    const facts = image && trust(run, image, false);
    if (image === undefined || facts === undefined) return [];
    const named = revisionsOf(image, facts).filter((sha) =>
      hasTag(image, localImageTag(run.runtime, sha)),
    );
    const checkouts = await Promise.all(named.map((sha) => store.find(run.runtime, sha)));
    return named.flatMap((sha, index) => {
      const checkout = checkouts[index];
      const found = { imageId: image.id, tags: image.tags, facts, checkout };
      return checkout?.record.sha === sha && checkout.record.tree === facts.tree ? [found] : [];
    });
  };
  const looked = look().catch((): FoundImage[] => []);
  return {
    async matching(sha) {
      return (await looked).find((found) => found.checkout?.record.sha === sha);
    },
    async [Symbol.asyncDispose]() {
      controller.abort();
      await looked;
    },
  };
}

/** What `latest` means, else the youngest image of this runtime and repository, with its commit. */
export async function findNewestImage(
  run: EnsureRun,
): Promise<{ readonly image: FoundImage; readonly sha: string } | undefined> {
  const { engine, store, settings } = run.dependencies;
  const images = await run.withDeadline("image lookup", settings.timeouts.headMs, (signal) =>
    engine.images.list({ labels: [`${LABELS.runtime}=${run.runtime}`] }, { signal }),
  );
  const latest = localImageLatestTag(run.runtime);
  const [newest] = images
    .flatMap((image) => {
      const facts = trust(run, image, true);
      const ours = facts?.source === run.repository.url;
      return ours && startTag(image, facts) !== undefined ? [{ image, facts }] : [];
    })
    .sort(
      (a, b) =>
        Number(hasTag(b.image, latest)) - Number(hasTag(a.image, latest)) ||
        b.image.createdAt - a.image.createdAt,
    );
  if (newest === undefined) return undefined;
  const { image, facts } = newest;
  const sha =
    revisionsOf(image, facts).find((known) => hasTag(image, localImageTag(run.runtime, known))) ??
    facts.revision;
  const checkout = await store.find(run.runtime, sha);
  return { image: { imageId: image.id, tags: image.tags, facts, checkout }, sha };
}

/** An image built from the same files for the same platform with the same settings. */
export async function findSameTree(
  run: EnsureRun,
  tree: string,
): Promise<ImageSummary | undefined> {
  const { engine, settings, settingsDigest } = run.dependencies;
  const images = await run.withDeadline("image lookup", settings.timeouts.headMs, (signal) =>
    engine.images.list(
      {
        labels: [
          `${LABELS.runtime}=${run.runtime}`,
          `${LABELS.tree}=${tree}`,
          `${LABELS.settings}=${settingsDigest}`,
        ],
        reference: localRepository(run.runtime),
      },
      { signal },
    ),
  );
  return images.find((image) => {
    const facts = trust(run, image, false);
    // Images that others derive from ours inherit its labels, but not its tags.
    return facts?.tree === tree && startTag(image, facts) !== undefined;
  });
}

function trust(
  run: EnsureRun,
  image: Pick<ImageSummary, "tags" | "labels">,
  anySettings: boolean,
): BuiltImageFacts | undefined {
  const { platform, settingsDigest } = run.dependencies;
  return factsFor(image, {
    runtime: run.runtime,
    platform,
    settings: anySettings ? undefined : settingsDigest,
  });
}
