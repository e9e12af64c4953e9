import {
  createDeadline,
  isProvisionerError,
  type BuildEvent,
  type EventSink,
  type PullEvent,
  type PushEvent,
} from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { CacheRef } from "../cache/cache-ref.js";
import type { BuildCache } from "../image-builder.js";
import { oneLine } from "../progress/build-progress.js";

/**
 * The shared cache of a build by the engine's own BuildKit. That one has no credentials of ours, and
 * exports a cache only inside the image: so the images that hold caches are pulled before the build,
 * and what was built is pushed after it, by the engine with the credentials that apply.
 *
 * Disposing gives every reference back to the image that had it before.
 */
export interface CacheImages extends AsyncDisposable {
  /** What BuildKit can read now. */
  readonly imports: readonly CacheRef[];
  /** Pushes the image to every `registry` export. Never throws: a refused export is told by events. */
  push(imageId: string): Promise<void>;
}

export interface CacheImagesOptions {
  readonly engine: DockerEngine;
  readonly cache: BuildCache | undefined;
  readonly platform: string | undefined;
  readonly now: () => number;
  readonly clean: (text: string) => string;
  readonly emit: EventSink<BuildEvent>;
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
}

/** A cache is worth waiting for only while it comes. */
const IDLE_MS = 60_000;
const RESTORE_MS = 10_000;

/** Pulls what can be pulled; on abort it rejects with `signal.reason` and has changed nothing. */
export async function pullCacheImages(options: CacheImagesOptions): Promise<CacheImages> {
  const { engine, cache, signal } = options;
  /** The image that each reference had before us. */
  const before = new Map<string, string | undefined>();
  const remember = async (ref: string): Promise<void> => {
    if (before.has(ref)) return;
    before.set(ref, (await engine.images.inspect(ref, { signal }))?.id);
  };
  const restore = async (): Promise<void> => {
    const time = AbortSignal.timeout(RESTORE_MS);
    for (const [ref, imageId] of before) {
      // A name too many does no harm, and the build is what counts.
      await moveName(engine, ref, imageId, time).catch(() => undefined);
    }
    before.clear();
  };

  const imports: CacheRef[] = [];
  try {
    for (const wanted of cache?.imports ?? []) {
      const isThere = await asVertex(
        options,
        `pulling cache from ${wanted.ref}`,
        async (idle, onEvent) => {
          await remember(wanted.ref);
          const { platform } = options;
          await engine.images.pull(wanted.ref, { signal: idle, onEvent, platform });
        },
      );
      if (isThere) imports.push(wanted);
      else sayMissing(options, wanted);
    }
  } catch (error) {
    await restore();
    throw error;
  }

  return {
    imports,
    async push(imageId) {
      for (const { type, ref } of cache?.exports ?? []) {
        if (type !== "registry" || signal.aborted) continue;
        // The words by which an export is known; see the cache observer.
        await asVertex(options, "exporting cache to registry", async (idle, onEvent) => {
          await remember(ref);
          await moveName(engine, ref, imageId, idle);
          await engine.images.push(ref, { signal: idle, onEvent });
        }).catch((error: unknown) => {
          // Whoever called looks at the signal next.
          if (!signal.aborted) throw error;
        });
      }
    },
    [Symbol.asyncDispose]: restore,
  };
}

/**
 * Makes the reference mean that image, or nothing. A tag that is only moved would leave the image that
 * had it its digest in the repository, and so on the engine for good. Where all steps came from the
 * cache, what was built can be the image that was pulled: then this is its only name, and stays.
 */
async function moveName(
  engine: DockerEngine,
  ref: string,
  imageId: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const now = await engine.images.inspect(ref, { signal });
  if (now !== undefined && now.id === imageId) return;
  if (now !== undefined) await engine.images.remove(ref, { signal });
  if (imageId !== undefined) await engine.images.tag(imageId, ref, { signal });
}

/** BuildKit says it like this; it is not asked for what the engine could not pull. */
function sayMissing({ emit, clean }: CacheImagesOptions, { ref }: CacheRef): void {
  const name = `importing cache manifest from ${oneLine(ref, clean)}`;
  emit({
    type: "build.vertex",
    id: name,
    name,
    status: "failed",
    error: "It could not be pulled.",
  });
}

/** False when it failed, after a warning unless there simply is no such image yet. */
async function asVertex(
  options: CacheImagesOptions,
  what: string,
  work: (signal: AbortSignal, onEvent: (event: PullEvent | PushEvent) => void) => Promise<void>,
): Promise<boolean> {
  const { emit, clean, now, signal } = options;
  const name = oneLine(what, clean);
  const vertex = { type: "build.vertex", id: name, name } as const;
  const startedAt = now();
  using idle = createDeadline({ what: name, timeoutMs: IDLE_MS, signal });
  emit({ ...vertex, status: "started" });
  try {
    await work(idle.signal, (event) => {
      idle.progress();
      options.onProgress();
      if (event.type === "warning") emit(event);
      else {
        emit({
          type: "build.status",
          vertex: name,
          name: `${event.layer} ${event.status}`,
          current: event.currentBytes ?? 0,
          ...(event.totalBytes === undefined ? {} : { total: event.totalBytes }),
        });
      }
    });
    emit({ ...vertex, status: "completed", durationMs: now() - startedAt });
    return true;
  } catch (error) {
    const durationMs = now() - startedAt;
    if (signal.aborted) {
      emit({ ...vertex, status: "canceled", durationMs });
      throw signal.reason;
    }
    const reason = clean(error instanceof Error ? error.message : String(error));
    emit({ ...vertex, status: "failed", durationMs, error: reason });
    if (!isProvisionerError(error, "ERR_PULL_NOT_FOUND")) {
      emit({
        type: "warning",
        code: "WARN_BUILD_CACHE",
        message: `The build goes on without a cache: ${name}: ${reason}`,
        ...(isProvisionerError(error) && error.hint !== undefined ? { hint: error.hint } : {}),
      });
    }
    return false;
  }
}
