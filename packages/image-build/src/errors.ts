import { ProvisionerError, type JsonValue, type ProvisionerErrorOptions } from "@molecule-ai/core";
import type { BuildErrorEntry } from "./failure/build-error-entry.js";

export type ImageBuildErrorCode =
  /** An option is wrong: a tag, a path, a label, a build stage. */
  | "ERR_BUILD_OPTIONS"
  /** The context is not a directory that can be read. */
  | "ERR_BUILD_CONTEXT_UNREADABLE"
  /** The context has more files or bytes than allowed. */
  | "ERR_BUILD_CONTEXT_TOO_LARGE"
  /** The context holds a socket, device or pipe. */
  | "ERR_BUILD_CONTEXT_FILE"
  /** A file changed while it was sent. */
  | "ERR_BUILD_CONTEXT_CHANGED"
  /** `.dockerignore` holds a pattern that means nothing. */
  | "ERR_BUILD_DOCKERIGNORE"
  | "ERR_BUILD_NO_DOCKERFILE"
  | "ERR_BUILD_DOCKERFILE_NOT_A_FILE"
  /** The Dockerfile lies, or leads, outside the context. */
  | "ERR_BUILD_DOCKERFILE_OUTSIDE"
  /** The engine cannot read the Dockerfile, or refuses what it asks for. */
  | "ERR_BUILD_SYNTAX"
  /** A base image, or the frontend of a `# syntax=` line, cannot be had. */
  | "ERR_BUILD_BASE_IMAGE"
  /** A step of the Dockerfile failed. */
  | "ERR_BUILD_FAILED"
  /** The engine went away during the build. */
  | "ERR_BUILD_ENGINE_LOST"
  /** The engine's answer ended with neither an image nor an error. */
  | "ERR_BUILD_TRUNCATED"
  /** Bytes that should be a BuildKit progress message are not. */
  | "ERR_BUILD_TRACE"
  /** A variable of the build engine means nothing. */
  | "ERR_BUILD_SETTINGS"
  /** No backend can do what is asked, or the one that was chosen cannot. */
  | "ERR_BUILD_BACKEND"
  /** There is no buildx program. */
  | "ERR_BUILDX_MISSING"
  /** buildx, or a builder of it, did not do what it was asked. */
  | "ERR_BUILDX_FAILED"
  /** A builder cannot be made, started or reached. */
  | "ERR_BUILDER"
  /** A setting of the cache is wrong: mode, tag, path, retention. */
  | "ERR_BUILD_CACHE_SETTINGS"
  /** An image could not be pushed. */
  | "ERR_PUSH_FAILED"
  /** No user and secret for a registry that asks for them. */
  | "ERR_PUSH_CREDENTIALS"
  /** What the registry has is not what was built or pushed. */
  | "ERR_PUBLISH_DIGEST"
  /** An archive of images cannot be written or read. */
  | "ERR_IMAGE_ARCHIVE"
  /** A record of what was published is damaged or contradicts itself. */
  | "ERR_PUBLISH_RECORD"
  /** A clean-up that was required could not be done. */
  | "ERR_CLEANUP_FAILED"
  /** A duration or a size means nothing. */
  | "ERR_BUILD_UNIT";

/** Where in the Dockerfile a build failed, as far as it is known. */
export interface BuildFailure {
  /** The Dockerfile, as a path inside the context. */
  readonly dockerfile: string;
  /** The step as the builder names it. */
  readonly step: string | undefined;
  /** The instruction as written, on one line. */
  readonly instruction: string | undefined;
  /** Its first line in the Dockerfile, from 1. */
  readonly line: number | undefined;
  readonly exitCode: number | undefined;
  /** What the step printed last. */
  readonly lastLines: readonly string[];
  /** What its tools, or the builder, said was wrong; at least one. */
  readonly entries: readonly BuildErrorEntry[];
}

export interface ImageBuildErrorOptions extends ProvisionerErrorOptions {
  readonly failure?: BuildFailure | undefined;
}

/** A build that did not give an image. For a failure inside the build, `failure` says where. */
export class ImageBuildError extends ProvisionerError<ImageBuildErrorCode> {
  readonly failure: BuildFailure | undefined;

  constructor(code: ImageBuildErrorCode, message: string, options: ImageBuildErrorOptions = {}) {
    const { failure, cause, ...rest } = options;
    super(code, message, {
      ...rest,
      // An absent cause must not be printed as one.
      ...(cause === undefined ? {} : { cause }),
      details: {
        ...rest.details,
        ...(failure === undefined
          ? {}
          : {
              dockerfile: failure.dockerfile,
              step: failure.step ?? null,
              instruction: failure.instruction ?? null,
              line: failure.line ?? null,
              exitCode: failure.exitCode ?? null,
              lastLines: failure.lastLines,
              entries: failure.entries.map(asDetails),
            }),
      },
    });
    this.failure = failure;
  }
}

function asDetails(entry: BuildErrorEntry): JsonValue {
  return Object.fromEntries(Object.entries(entry).filter(([, member]) => member !== undefined));
}
