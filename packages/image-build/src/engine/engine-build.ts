import { isEngineError, readJsonStream } from "@molecule-ai/docker-engine";
import { randomUUID } from "node:crypto";
import type { BuildRun, BuiltImage } from "../build-run.js";
import { explainFailure, explainRefusal, type FailureContext } from "../failure/build-failure.js";
import type { BuildOutcome, BuildProgress } from "../progress/build-progress.js";
import { planBuildQuery } from "./build-request.js";
import { createBuildkitProgress } from "./buildkit-progress.js";
import { pullCacheImages } from "./cache-images.js";
import { createClassicProgress } from "./classic-progress.js";
import { prepareUpload, type ContextUpload } from "../context/context-upload.js";
import { platformsOf } from "../backends/requirements.js";
import { ImageBuildError } from "../errors.js";
import { discardImage } from "./discard-image.js";
import { rewriteTimestamps } from "../rewrite/rewrite-timestamps.js";
import { pullBases, type PulledBases } from "./pull-bases.js";

export interface EngineBuildRun extends BuildRun {
  readonly backend: "buildkit" | "classic";
}

/** How long a cancelled build may take to say that it has stopped before the line is cut. */
const CANCEL_GRACE_MS = 10_000;

/** Sends the context, follows the build, tags the image. On abort the engine has stopped first. */
export async function runEngineBuild(asked: EngineBuildRun): Promise<BuiltImage> {
  const { signal } = asked;
  const { cache } = asked.request;
  await using caches = await pullCacheImages({
    ...asked,
    cache,
    platform: platformsOf(asked.request)[0],
  });
  const run = {
    ...asked,
    request: { ...asked.request, cache: cache && { ...cache, imports: caches.imports } },
  };
  const upload = await prepareUpload({
    options: run.request,
    limits: run.limits,
    now: run.now,
    signal,
    emit: run.emit,
    onProgress: run.onProgress,
  });
  let context: FailureContext;
  let outcome: BuildOutcome;
  try {
    const pulls = await ensureBases(run, upload);
    context = {
      backend: run.backend,
      dockerfile: upload.dockerfile,
      outline: upload.outline,
      pullFailures: pulls?.failures ?? new Map(),
      clean: run.clean,
    };
    outcome = await follow(run, upload, context, pulls?.failures.size === 0);
  } finally {
    upload.body.destroy();
  }
  const { failure } = outcome;
  if (failure !== undefined && !signal.aborted) {
    throw explainFailure({ ...outcome, failure }, context);
  }
  const built = await identify(run, outcome);
  // The layers as BuildKit made them are what its cache knows; rewritten ones it would not find again.
  if (built !== undefined) await caches.push(built);
  const imageId = await rewritten(run, built);
  if (signal.aborted) {
    await caches[Symbol.asyncDispose]();
    if (imageId !== undefined) await discardImage(run.engine, imageId);
    throw signal.reason;
  }
  if (imageId === undefined) {
    throw new ImageBuildError(
      "ERR_BUILD_TRUNCATED",
      `${run.subject}: the engine's answer ended with neither an image nor an error.`,
      { hint: "Look at the engine's own log, then build again.", retryable: true },
    );
  }
  // From here on there is nothing left to cancel: either all tags point to the image or it failed.
  for (const tag of run.request.tags) await run.engine.images.tag(imageId, tag);
  return {
    imageId,
    digest: undefined,
    contextBytes: upload.sentBytes,
    steps: outcome.steps,
    cachedSteps: outcome.cachedSteps,
  };
}

/** The image with no time later than its source, where that is asked for; the first one goes. */
async function rewritten(
  { engine, request, signal, onProgress }: EngineBuildRun,
  imageId: string | undefined,
): Promise<string | undefined> {
  if (imageId === undefined || request.rewriteTimestamps !== true || signal.aborted) return imageId;
  const epoch = request.sourceDateEpoch ?? 0;
  try {
    const id = await rewriteTimestamps({ engine, imageId, epoch, onProgress, signal });
    if (id !== imageId) await discardImage(engine, imageId);
    return id;
  } catch (error) {
    await discardImage(engine, imageId);
    throw error;
  }
}

async function follow(
  run: EngineBuildRun,
  upload: ContextUpload,
  context: FailureContext,
  pulledAll: boolean,
): Promise<BuildOutcome> {
  const { engine, backend, signal, subject } = run;
  const buildId = randomUUID();
  const progress = createProgress(run);
  const line = new AbortController();
  let cancellable = false;
  let grace: NodeJS.Timeout | undefined;

  const stop = async (): Promise<void> => {
    // Closing the connection stops a build too, but only a cancelled one says when it has stopped.
    if (!cancellable) {
      line.abort(signal.reason);
      return;
    }
    grace = setTimeout(() => line.abort(signal.reason), CANCEL_GRACE_MS);
    try {
      const answer = await engine.request({
        method: "POST",
        path: "/build/cancel",
        query: { id: buildId },
        subject,
        signal: line.signal,
      });
      answer.body.resume();
    } catch {
      line.abort(signal.reason);
    }
  };
  const onAbort = (): void => void stop();

  try {
    const registryConfig = await engine.registryConfig({ signal });
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort, { once: true });
    const response = await engine.request({
      method: "POST",
      path: "/build",
      query: planBuildQuery({
        options: run.request,
        limits: run.limits,
        backend,
        dockerfile: upload.dockerfile,
        buildId,
        pulled: pulledAll,
      }),
      headers: { "X-Registry-Config": registryConfig },
      body: upload.body,
      subject,
      signal: line.signal,
    });
    cancellable = backend === "buildkit";
    for await (const message of readJsonStream(response.body, { subject })) {
      run.onProgress();
      progress.accept(message);
    }
    return progress.finish();
  } catch (error) {
    const outcome = progress.finish();
    if (signal.aborted) throw signal.reason;
    if (upload.failure !== undefined) throw upload.failure;
    if (outcome.failure !== undefined) return outcome;
    throw explainBroken(error, context, subject);
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(grace);
  }
}

/** Undefined when the builder sees to its bases itself, or nobody can say which they are. */
async function ensureBases(
  run: EngineBuildRun,
  { outline }: ContextUpload,
): Promise<PulledBases | undefined> {
  if (run.backend !== "buildkit" || outline === undefined) return undefined;
  return pullBases({ ...run, outline });
}

function createProgress(run: EngineBuildRun): BuildProgress {
  const { emit, clean, tailLines, now } = run;
  return run.backend === "buildkit"
    ? createBuildkitProgress({ emit, clean, tailLines })
    : createClassicProgress({ emit, clean, tailLines, now });
}

const LOST: ReadonlySet<string> = new Set([
  "ERR_ENGINE_UNREACHABLE",
  "ERR_ENGINE_TRUNCATED",
  "ERR_ENGINE_TIMEOUT",
  "ERR_ENGINE_CLOSED",
]);

function explainBroken(error: unknown, context: FailureContext, subject: string): unknown {
  if (!isEngineError(error)) return error;
  if (LOST.has(error.code)) {
    return new ImageBuildError(
      "ERR_BUILD_ENGINE_LOST",
      `${subject}: the connection to the engine broke off before the build was done.`,
      {
        hint: "Check that the engine runs and has not been restarted, then build again: finished steps are cached.",
        retryable: true,
        cause: error,
      },
    );
  }
  if (error.code === "ERR_ENGINE_BAD_REQUEST") {
    const { engineMessage } = error.details;
    const reason = typeof engineMessage === "string" ? engineMessage : error.message;
    return explainRefusal(reason, context, error);
  }
  return error;
}

/** The full id of what was built. */
async function identify(run: BuildRun, { imageId }: BuildOutcome): Promise<string | undefined> {
  if (imageId === undefined || imageId.startsWith("sha256:")) return imageId;
  const found = await run.engine.images.inspect(imageId, { signal: run.signal });
  return found?.id;
}
