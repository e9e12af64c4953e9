import { isProvisionerError } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { CheckoutStore, Leftover } from "./checkout-store.js";
import { planCollection, type CollectionPlan, type Verdict } from "./collection-plan.js";
import type { HostLocks } from "./internal/host-lock.js";
import { listLocalImages, type LocalImage } from "./local-images.js";
import type { CollectionLimits } from "./settings.js";

export interface CollectedItem {
  readonly kind: "image" | "checkout" | "leftover";
  /** Image reference or path. */
  readonly name: string;
  readonly runtime: string;
  readonly revision: string | undefined;
  readonly sizeBytes: number;
  /** With `dryRun`, what would be done. */
  readonly action: "removed" | "kept" | "failed";
  /** Why it was removed or kept; for `failed`, what went wrong. */
  readonly reason: string;
}

export interface CollectOptions {
  /** Only say what would go. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called for every item as its fate is known. */
  readonly onEvent?: ((item: CollectedItem) => void) | undefined;
}

export interface CollectResult {
  readonly dryRun: boolean;
  readonly items: readonly CollectedItem[];
  /** As the engine counts images: layers they share with others do not become free. */
  readonly freedBytes: number;
  readonly keptBytes: number;
}

export interface CollectDependencies {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly store: CheckoutStore;
  readonly locks: HostLocks;
  readonly limits: CollectionLimits;
  readonly now: () => number;
}

/** Removes images and checkouts by {@link planCollection}, one runtime at a time under its lock. */
export async function collect(
  dependencies: CollectDependencies,
  options: CollectOptions,
): Promise<CollectResult> {
  const items: CollectedItem[] = [];
  const report = (item: CollectedItem): void => {
    items.push(item);
    options.onEvent?.(item);
  };
  const survey = await takeSurvey(dependencies, options.signal);
  for (const runtime of survey.runtimes) {
    options.signal?.throwIfAborted();
    await collectRuntime(dependencies, options, runtime, report);
  }
  const sum = (action: CollectedItem["action"]): number =>
    items.reduce((bytes, item) => bytes + (item.action === action ? item.sizeBytes : 0), 0);
  return {
    dryRun: options.dryRun,
    items,
    freedBytes: sum("removed"),
    keptBytes: sum("kept") + sum("failed"),
  };
}

interface Survey {
  readonly plan: CollectionPlan;
  readonly leftovers: readonly Leftover[];
  readonly runtimes: readonly string[];
}

/** Everything there is and what is to become of it, `busy` runtimes counting as being built. */
async function takeSurvey(
  dependencies: CollectDependencies,
  signal: AbortSignal | undefined,
  busyRuntimes: ReadonlySet<string> = new Set(),
): Promise<Survey> {
  const { engine, installId, store, limits } = dependencies;
  const { checkouts, leftovers } = await store.list();
  const images = await listLocalImages({ engine, installId, checkouts, signal });
  const plan = planCollection({ images, checkouts, busyRuntimes, limits, now: dependencies.now() });
  const runtimes = [...images, ...checkouts.map(({ record }) => record), ...leftovers].map(
    ({ runtime }) => runtime,
  );
  return { plan, leftovers, runtimes: [...new Set(runtimes)].sort() };
}

async function collectRuntime(
  dependencies: CollectDependencies,
  options: CollectOptions,
  runtime: string,
  report: (item: CollectedItem) => void,
): Promise<void> {
  const { store, locks } = dependencies;
  await using lock = options.dryRun ? undefined : await locks.tryAcquire(runtime);
  const busy = options.dryRun ? await locks.isHeld(runtime) : lock === undefined;
  // Anew, now that nobody builds: what was true before the lock may not be any more.
  const survey = await takeSurvey(dependencies, options.signal, new Set(busy ? [runtime] : []));

  const settle = async (
    item: Omit<CollectedItem, "action" | "reason">,
    verdict: Verdict,
    remove: () => Promise<void>,
  ): Promise<void> => {
    if (verdict.keep) {
      report({ ...item, action: "kept", reason: verdict.reason });
      return;
    }
    if (!options.dryRun) {
      options.signal?.throwIfAborted();
      try {
        await remove();
      } catch (error) {
        options.signal?.throwIfAborted();
        report({ ...item, action: "failed", reason: messageOf(error) });
        return;
      }
    }
    report({ ...item, action: "removed", reason: verdict.reason });
  };

  for (const { image, verdict } of survey.plan.images) {
    if (image.runtime !== runtime) continue;
    const { revision, sizeBytes } = image;
    const name = image.ref ?? image.imageId;
    await settle({ kind: "image", name, runtime, revision, sizeBytes }, verdict, () =>
      removeImage(dependencies.engine, image, options.signal),
    );
  }
  for (const { checkout, verdict } of survey.plan.checkouts) {
    const { sha, sizeBytes } = checkout.record;
    if (checkout.record.runtime !== runtime) continue;
    const item = { kind: "checkout", name: checkout.path, runtime, revision: sha } as const;
    await settle({ ...item, sizeBytes }, verdict, () => store.remove(runtime, sha));
  }
  for (const leftover of survey.leftovers) {
    if (leftover.runtime !== runtime) continue;
    await settle(
      { kind: "leftover", name: leftover.path, runtime, revision: undefined, sizeBytes: 0 },
      busy
        ? { keep: true, reason: `${runtime} is being built` }
        : { keep: false, reason: "left by an interrupted checkout" },
      () => store.removeLeftover(leftover),
    );
  }
}

/** Takes our tags away; the engine drops the image with the last one, and refuses when it is used. */
async function removeImage(
  engine: DockerEngine,
  image: LocalImage,
  signal: AbortSignal | undefined,
): Promise<void> {
  const names = image.tags.length === 0 ? [image.imageId] : image.tags;
  for (const name of names) await engine.images.remove(name, { signal });
}

function messageOf(error: unknown): string {
  if (isProvisionerError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
