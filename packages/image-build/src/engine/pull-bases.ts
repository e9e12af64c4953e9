import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { parseImageReference, parsePlatform } from "@molecule-ai/registry-mode";
import { platformsOf } from "../backends/requirements.js";
import { findBaseImages, type BaseImage } from "../dockerfile/base-images.js";
import { oneLine } from "../progress/build-progress.js";
import type { DockerfileOutline } from "../dockerfile/dockerfile-outline.js";
import type { BuildOptions } from "../image-builder.js";

export interface PullBasesOptions {
  readonly engine: DockerEngine;
  readonly outline: DockerfileOutline;
  readonly request: BuildOptions;
  readonly now: () => number;
  readonly clean: (text: string) => string;
  readonly emit: EventSink<BuildEvent>;
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
}

export interface PulledBases {
  /** Why each image that could not be pulled could not, by its reference. */
  readonly failures: ReadonlyMap<string, unknown>;
}

/**
 * Pulls the base images that the engine has not got (with `pull`, all of them), with the credentials
 * that apply.
 *
 * BuildKit asks the client of its session for credentials, and over plain HTTP there is none: it can
 * use no registry that wants so much as an anonymous token, such as Docker Hub. Images that are on
 * the engine it takes from there. A pull that fails is not the end: the name may have been misread.
 */
export async function pullBases(options: PullBasesOptions): Promise<PulledBases> {
  const { request, signal } = options;
  const failures = new Map<string, unknown>();
  for (const image of findBaseImages(options.outline, request)) {
    const platform = image.platform ?? platformsOf(request)[0];
    try {
      if (request.pull !== true && (await isPresent(options, image, platform))) continue;
      await pull(options, image, platform);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      failures.set(image.reference, error);
    }
  }
  return { failures };
}

async function isPresent(
  { engine, signal }: PullBasesOptions,
  { reference }: BaseImage,
  platform: string | undefined,
): Promise<boolean> {
  parseImageReference(reference);
  const image = await engine.images.inspect(reference, { signal });
  if (image === undefined) return false;
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  return wanted === undefined || (image.os === wanted.os && image.arch === wanted.arch);
}

async function pull(
  options: PullBasesOptions,
  { reference }: BaseImage,
  platform: string | undefined,
): Promise<void> {
  const { engine, emit, clean, now, signal } = options;
  const startedAt = now();
  const id = `pull ${oneLine(reference, clean)}`;
  const vertex = { type: "build.vertex", id, name: `[internal] ${id}` } as const;
  emit({ ...vertex, status: "started" });
  try {
    await engine.images.pull(reference, {
      signal,
      ...(platform === undefined ? {} : { platform }),
      onEvent: (event) => {
        options.onProgress();
        if (event.type === "warning") emit(event);
        else {
          emit({
            type: "build.status",
            vertex: id,
            name: `${event.layer} ${event.status}`,
            current: event.currentBytes ?? 0,
            ...(event.totalBytes === undefined ? {} : { total: event.totalBytes }),
          });
        }
      },
    });
  } catch (error) {
    emit({
      ...vertex,
      status: signal.aborted ? "canceled" : "failed",
      durationMs: now() - startedAt,
    });
    throw error;
  }
  emit({ ...vertex, status: "completed", durationMs: now() - startedAt });
}
