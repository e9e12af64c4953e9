import type { BuildEvent, EventSink } from "@molecule-ai/core";
import { type Readable, Transform } from "node:stream";
import { planContext } from "./context-plan.js";
import { packContext } from "./context-tar.js";
import { outlineDockerfile, type DockerfileOutline } from "../dockerfile/dockerfile-outline.js";
import { ImageBuildError } from "../errors.js";
import type { BuildOptions } from "../image-builder.js";
import { DEFAULT_DOCKERFILE, type ResolvedBuildLimits } from "../options.js";

/** A context on its way to the engine. */
export interface ContextUpload {
  readonly body: Readable;
  /** Path of the Dockerfile inside the context, as the engine has to be told. */
  readonly dockerfile: string;
  readonly outline: DockerfileOutline | undefined;
  /** Bytes handed on so far. */
  readonly sentBytes: number;
  /** Why the context itself could not be sent, when that is what went wrong. */
  readonly failure: Error | undefined;
}

export interface ContextUploadOptions {
  readonly options: BuildOptions;
  readonly limits: ResolvedBuildLimits;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly emit: EventSink<BuildEvent>;
  /** Called for every piece that is sent. */
  readonly onProgress: () => void;
}

const VERTEX = {
  type: "build.vertex",
  id: "context",
  name: "[internal] send build context",
} as const;
const REPORT_EVERY_BYTES = 1024 * 1024;

/** Checks the context and makes the stream to send; nothing is read of it before the engine asks. */
export async function prepareUpload(upload: ContextUploadOptions): Promise<ContextUpload> {
  const { options, limits, emit } = upload;
  const name = options.dockerfile ?? DEFAULT_DOCKERFILE;
  let source: Readable;
  let dockerfile = name;
  let outline: DockerfileOutline | undefined;
  let total: number | undefined;
  if (options.context.kind === "directory") {
    const plan = await planContext({
      path: options.context.path,
      dockerfile: name,
      maxBytes: limits.contextBytes,
      maxFiles: limits.contextFiles,
      signal: upload.signal,
    });
    dockerfile = plan.dockerfile;
    outline =
      plan.dockerfileText === undefined ? undefined : outlineDockerfile(plan.dockerfileText);
    total = plan.bytes;
    checkTarget(options.target, outline, name);
    source = packContext(plan, options.sourceDateEpoch ?? 0);
  } else if (options.context.kind === "tar") {
    source = options.context.stream;
  } else {
    throw new ImageBuildError(
      "ERR_BUILD_BACKEND",
      "The engine's own builders take no git repository as context.",
      { hint: "Check the commit out and give its directory, or build with buildx." },
    );
  }

  let startedAt: number | undefined;
  let isDone = false;
  let sentBytes = 0;
  let reportedBytes = 0;
  let failure: Error | undefined;
  const counter = new Transform({
    transform(chunk: Buffer, _, done) {
      if (startedAt === undefined) {
        startedAt = upload.now();
        emit({ ...VERTEX, status: "started" });
      }
      sentBytes += chunk.length;
      upload.onProgress();
      if (options.context.kind === "tar" && sentBytes > limits.contextBytes) {
        done(
          new ImageBuildError(
            "ERR_BUILD_CONTEXT_TOO_LARGE",
            `The build context holds more than ${limits.contextBytes} bytes.`,
            { hint: "Send less, or raise the limit.", details: { maxBytes: limits.contextBytes } },
          ),
        );
        return;
      }
      if (sentBytes - reportedBytes >= REPORT_EVERY_BYTES) {
        reportedBytes = sentBytes;
        emit({
          type: "build.status",
          vertex: VERTEX.id,
          name: "sending",
          current: sentBytes,
          ...(total === undefined ? {} : { total: Math.max(total, sentBytes) }),
        });
      }
      done(null, chunk);
    },
    flush(done) {
      isDone = true;
      done();
    },
  });
  source.on("error", (error) => counter.destroy(error));
  counter.on("error", (error) => {
    failure = error;
  });
  counter.on("close", () => {
    source.destroy();
    if (startedAt === undefined) return;
    emit({
      ...VERTEX,
      status: isDone ? "completed" : failure === undefined ? "canceled" : "failed",
      durationMs: upload.now() - startedAt,
    });
  });
  source.pipe(counter);

  return {
    body: counter,
    dockerfile,
    outline,
    get sentBytes() {
      return sentBytes;
    },
    get failure() {
      return failure;
    },
  };
}

function checkTarget(
  target: string | undefined,
  outline: DockerfileOutline | undefined,
  dockerfile: string,
): void {
  if (target === undefined || outline === undefined || /^\d+$/.test(target)) return;
  const names = outline.stages.flatMap(({ name }) => (name === undefined ? [] : [name]));
  if (names.includes(target.toLowerCase())) return;
  throw new ImageBuildError("ERR_BUILD_OPTIONS", `${dockerfile} has no build stage ${target}.`, {
    hint:
      names.length === 0
        ? "It names no stage at all: leave the target out."
        : `Its stages are ${names.slice(0, 20).join(", ")}.`,
    details: { target, stages: names.slice(0, 100) },
  });
}
