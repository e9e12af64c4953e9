import type { BuildEvent, EventSink } from "@molecule-ai/core";
import { isEngineError, readJsonStream, type DockerEngine } from "@molecule-ai/docker-engine";
import { randomUUID } from "node:crypto";
import { explainFailure, explainRefusal, type FailureContext } from "../failure/build-failure.js";
import type { BuildOutcome, BuildProgress } from "../progress/build-progress.js";
import { planBuildQuery } from "./build-request.js";
import { createBuildkitProgress } from "./buildkit-progress.js";
import { createClassicProgress } from "./classic-progress.js";
import { prepareUpload, type ContextUpload } from "../context/context-upload.js";
import { ImageBuildError } from "../errors.js";
import type { BuildOptions, BuildResult } from "../image-builder.js";
import type { ResolvedBuildLimits } from "../options.js";
import { pullBases, type PulledBases } from "./pull-bases.js";

export interface BuildRun {
  readonly engine: DockerEngine;
  readonly backend: "buildkit" | "classic";
  readonly request: BuildOptions;
  readonly limits: ResolvedBuildLimits;
  /** What is being built, for error messages. */
  readonly subject: string;
  readonly clean: (text: string) => string;
  readonly now: () => number;
  readonly tailLines: number;
  readonly emit: EventSink<BuildEvent>;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
}

/** How long a cancelled build may take to say that it has stopped before the line is cut. */
const CANCEL_GRACE_MS = 10_000;
/** How long taking back a finished image may take. */
const DISCARD_TIMEOUT_MS = 10_000;

/** Sends the context, follows the build, tags the image. On abort the engine has stopped first. */
export async function runBuild(
  run: BuildRun,
): Promise<Omit<BuildResult, "tags" | "backend" | "durationMs">> {
  const { signal } = run;
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
  const imageId = await identify(run, outcome);
  if (signal.aborted) {
    if (imageId !== undefined) await discard(run.engine, imageId);
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
    builder: undefined,
    contextBytes: upload.sentBytes,
    steps: outcome.steps,
    cachedSteps: outcome.cachedSteps,
    layers: [],
    cache: {
      mode: "off",
      local: "skipped",
      external: "skipped",
      fallback: "skipped",
      result: outcome.cachedSteps > 0 ? "hit" : "miss",
      builder: undefined,
      imports: [],
      exports: [],
    },
  };
}

async function follow(
  run: BuildRun,
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
  run: BuildRun,
  { outline }: ContextUpload,
): Promise<PulledBases | undefined> {
  if (run.backend !== "buildkit" || outline === undefined) return undefined;
  return pullBases({ ...run, outline });
}

function createProgress(run: BuildRun): BuildProgress {
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

/** Takes back an image that was done just when the build was aborted, unless it has another name. */
async function discard(engine: DockerEngine, imageId: string): Promise<void> {
  const signal = AbortSignal.timeout(DISCARD_TIMEOUT_MS);
  try {
    const found = await engine.images.inspect(imageId, { signal });
    if (found === undefined || found.tags.length > 0 || found.digests.length > 0) return;
    await engine.images.remove(imageId, { signal });
  } catch {
    // Unnamed as it is, the engine's own prune finds it; why we stopped matters more.
  }
}
