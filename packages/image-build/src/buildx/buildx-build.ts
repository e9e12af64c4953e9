import { gte } from "semver";
import type { BuildBackend } from "../backends/backend.js";
import { isLoaded } from "../backends/requirements.js";
import type { BuildRun, BuiltImage } from "../build-run.js";
import { isCacheExportFailure } from "../cache/export-failure.js";
import { prepareUpload, type ContextUpload } from "../context/context-upload.js";
import { discardImage } from "../engine/discard-image.js";
import { ImageBuildError } from "../errors.js";
import type { BuildOptions } from "../image-builder.js";
import { DEFAULT_DOCKERFILE } from "../options.js";
import { oneLine, type BuildProgress } from "../progress/build-progress.js";
import { createPlainProgress } from "../progress/plain-progress.js";
import { buildxBuildArgs, formatGitContext } from "./build-args.js";
import { explainBuildxFailure } from "./buildx-failure.js";
import type { Buildx } from "./buildx.js";
import { createMetadataFile } from "./metadata-file.js";
import type { BuildxMetadata } from "./metadata.js";
import { createRawjsonProgress } from "./rawjson-progress.js";
import { secretEnvironment } from "./secrets.js";

export interface BuildxBuildRun extends BuildRun {
  readonly buildx: Buildx;
  readonly backend: BuildBackend;
  /** Added to the environment of buildx: where credentials of registries are. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The builder takes none of the cache exports; the build goes on without. */
  readonly onCacheRefused: (reason: string) => void;
}

/** The first version that knows `--progress=rawjson`. */
const RAWJSON_SINCE = "0.13.0";

/**
 * Builds with buildx and a builder of it. On abort buildx has ended first, and with it the build.
 *
 * A directory goes to buildx as a tar on standard input, and not by its name: so it is exactly what
 * the engine would be sent, without `.git` and with the times that were asked for.
 *
 * An image that is only loaded gets its tags from the engine once nothing can cancel the build any
 * more. One that is pushed, or written as a layout, is named by buildx as it does so.
 */
export async function runBuildxBuild(run: BuildxBuildRun): Promise<BuiltImage> {
  const { request } = run;
  const first = await attempt(run, request);
  if (first.kind === "built") return first.image;
  run.onCacheRefused(first.reason);
  run.emit({
    type: "warning",
    code: "WARN_BUILD_CACHE_EXPORT",
    message: `The cache could not be exported, so the build is repeated without: ${first.reason}`,
    hint: "Check that the builder can export to that place, and that it may write there.",
  });
  const withoutExports: BuildOptions = {
    ...request,
    cache: { ...request.cache, imports: request.cache?.imports ?? [], exports: [] },
  };
  const second = await attempt(run, withoutExports);
  if (second.kind === "built") return second.image;
  throw new Error("A build without exports cannot fail because of them.");
}

type Attempt =
  | { readonly kind: "built"; readonly image: BuiltImage }
  | { readonly kind: "cache refused"; readonly reason: string };

async function attempt(run: BuildxBuildRun, request: BuildOptions): Promise<Attempt> {
  const { buildx, backend, signal, clean } = run;
  const upload = await openContext(run, request);
  try {
    await using metadata = await createMetadataFile();
    const hasRawjson = gte(await buildx.version(signal), RAWJSON_SINCE);
    const progress = createProgress(run, hasRawjson);
    const tagsByEngine = isOnlyLoaded(request);
    let ended;
    try {
      ended = await buildx.run({
        args: buildxBuildArgs({
          options: withDefaults(request, tagsByEngine),
          context: request.context.kind === "git" ? formatGitContext(request.context) : "-",
          builder: backend.builder,
          progress: hasRawjson ? "rawjson" : "plain",
          dockerfile: upload?.dockerfile ?? request.dockerfile,
          metadataFile: metadata.path,
        }),
        env: { ...run.env, ...secretEnvironment(request.secrets ?? []) },
        stdin: upload?.body,
        onStderr: (chunk) => progress.accept(chunk),
        onOutput: run.onProgress,
        signal,
      });
    } catch (error) {
      progress.finish();
      if (signal.aborted) await takeBack(run, await metadata.read().catch(() => undefined));
      throw error;
    }
    const outcome = progress.finish();
    if (ended.kind === "failed") {
      if (upload?.failure !== undefined) throw upload.failure;
      const said = outcome.failure?.message ?? ended.stderr;
      if (mayRepeat(request) && isCacheExportFailure(said)) {
        return { kind: "cache refused", reason: oneLine(said, clean) };
      }
      throw explainBuildxFailure({
        outcome,
        status: ended.status,
        stderr: ended.stderr,
        subject: run.subject,
        tags: request.tags,
        backend,
        clean,
        dockerfile: upload?.dockerfile ?? request.dockerfile ?? DEFAULT_DOCKERFILE,
        outline: upload?.outline,
      });
    }
    const written = await metadata.read();
    const image = await identify(run, request, written);
    if (signal.aborted) {
      await takeBack(run, written);
      throw signal.reason;
    }
    // From here on there is nothing left to cancel: either all tags point to the image or it failed.
    if (tagsByEngine && image.imageId !== undefined) {
      for (const tag of request.tags) await run.engine.images.tag(image.imageId, tag);
    }
    return {
      kind: "built",
      image: {
        ...image,
        contextBytes: upload?.sentBytes ?? 0,
        steps: outcome.steps,
        cachedSteps: outcome.cachedSteps,
      },
    };
  } finally {
    upload?.body.destroy();
  }
}

async function openContext(
  run: BuildxBuildRun,
  request: BuildOptions,
): Promise<ContextUpload | undefined> {
  if (request.context.kind === "git") return undefined;
  const { limits, now, signal, emit, onProgress } = run;
  return prepareUpload({ options: request, limits, now, signal, emit, onProgress });
}

function createProgress(run: BuildxBuildRun, hasRawjson: boolean): BuildProgress {
  const { emit, clean, tailLines } = run;
  const options = { emit, clean, tailLines };
  return hasRawjson ? createRawjsonProgress(options) : createPlainProgress(options);
}

/** buildx attests unless it is told not to, which makes an index of every image. */
function withDefaults(request: BuildOptions, tagsByEngine: boolean): BuildOptions {
  return {
    ...request,
    tags: tagsByEngine ? [] : request.tags,
    attestations: {
      ...request.attestations,
      provenance: request.attestations?.provenance ?? false,
    },
  };
}

function isOnlyLoaded({ output }: BuildOptions): boolean {
  const { push, ociLayout, directory } = output ?? {};
  return isLoaded(output) && push !== true && ociLayout === undefined && directory === undefined;
}

/** A tar that was handed over can be read only once. */
function mayRepeat({ cache, context }: BuildOptions): boolean {
  return (cache?.exports ?? []).length > 0 && context.kind !== "tar";
}

/** What was built, checked against the engine that should have it. */
async function identify(
  run: BuildxBuildRun,
  request: BuildOptions,
  metadata: BuildxMetadata | undefined,
): Promise<Pick<BuiltImage, "imageId" | "digest">> {
  const { driver, capabilities, builder } = run.backend;
  // Into a classic store the docker driver writes no manifest: what it calls digest is the image id.
  const isImageId = driver === "docker" && !capabilities.multiPlatformLoad;
  const digest = isImageId ? undefined : wholeDigest(metadata?.digest);
  const isUnknown = isImageId ? metadata === undefined : digest === undefined;
  if (request.output?.push === true && isUnknown) {
    throw new ImageBuildError(
      "ERR_PUBLISH_DIGEST",
      `${run.subject}: buildx pushed the image and does not say what it pushed.`,
      { hint: "Check the version of buildx: 0.10 or newer is needed." },
    );
  }
  if (!isLoaded(request.output)) return { imageId: undefined, digest };
  const candidates = [metadata?.configDigest, metadata?.digest].map(wholeDigest);
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    const found = await run.engine.images.inspect(candidate);
    if (found !== undefined) return { imageId: found.id, digest };
  }
  if (candidates.every((candidate) => candidate === undefined)) {
    throw new ImageBuildError(
      "ERR_BUILD_TRUNCATED",
      `${run.subject}: buildx ended with neither an image nor an error.`,
      { hint: "Check the version of buildx, then build again.", retryable: true },
    );
  }
  throw new ImageBuildError(
    "ERR_BUILD_BACKEND",
    `${run.subject}: the builder ${builder ?? ""} loaded the image into another engine than the one that should have it.`,
    { hint: "Give buildx the same DOCKER_HOST or context as this program." },
  );
}

function wholeDigest(digest: string | undefined): string | undefined {
  if (digest === undefined || /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new ImageBuildError(
    "ERR_BUILDX_FAILED",
    `buildx names the image ${digest}, which is none.`,
    {
      hint: "Check the version of buildx, then build again.",
    },
  );
}

/** An image that was done just when the build was aborted goes again. */
async function takeBack(run: BuildxBuildRun, metadata: BuildxMetadata | undefined): Promise<void> {
  if (!isOnlyLoaded(run.request)) return;
  for (const id of [metadata?.configDigest, metadata?.digest]) {
    if (id !== undefined) await discardImage(run.engine, id);
  }
}
