import {
  createDeadline,
  createRedactor,
  systemClock,
  type BuildEvent,
  type Clock,
  type EventSink,
  type Redactor,
} from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { runBuild } from "./engine/engine-build.js";
import { ImageBuildError } from "./errors.js";
import type { BuildOptions, BuildResult, ImageBuilder } from "./image-builder.js";
import { checkOptions, resolveLimits } from "./options.js";
import { digestSettings } from "./settings-digest.js";

export interface ImageBuilderOptions {
  /** The engine that builds, and that will have the image. Not disposed by the builder. */
  readonly engine: DockerEngine;
  readonly clock?: Clock | undefined;
  /** Removes secrets from step names, output and errors. */
  readonly redactor?: Redactor | undefined;
  /** `auto` (default) takes BuildKit when the engine has it. */
  readonly backend?: "auto" | "classic" | undefined;
  /** How many last lines of a failed step an error carries; default 20. */
  readonly tailLines?: number | undefined;
}

const DEFAULT_TAIL_LINES = 20;

/** A builder on the BuildKit (or, failing that, the classic builder) inside a Docker engine. */
export function createImageBuilder(options: ImageBuilderOptions): ImageBuilder {
  const { engine, clock = systemClock } = options;
  const redactor = options.redactor ?? createRedactor();
  const clean = (text: string): string => redactor.redact(text);

  const chooseBackend = async (
    signal: AbortSignal,
    emit: EventSink<BuildEvent>,
  ): Promise<"buildkit" | "classic"> => {
    if (options.backend === "classic") return "classic";
    if ((await engine.info({ signal })).buildkit) return "buildkit";
    emit({
      type: "warning",
      code: "WARN_BUILD_CLASSIC",
      message: "The engine has no BuildKit: its classic builder is used.",
      hint: "Builds are slower, and newer Dockerfile syntax is not understood; use a newer engine.",
    });
    return "classic";
  };

  const build = async (request: BuildOptions): Promise<BuildResult> => {
    request.signal?.throwIfAborted();
    checkOptions(request);
    const limits = resolveLimits(request.limits);
    let settled = false;
    const emit: EventSink<BuildEvent> = (event) => {
      if (!settled) request.onEvent?.(event);
    };
    const startedAt = clock.monotonic();
    const subject = clean(`Build of ${request.tags[0] ?? ""}`);
    using total = createDeadline({
      what: subject,
      timeoutMs: limits.totalTimeoutMs,
      kind: "total",
      signal: request.signal,
    });
    using idle = createDeadline({
      what: subject,
      timeoutMs: limits.idleTimeoutMs,
      signal: total.signal,
    });
    const { signal } = idle;
    try {
      const backend = await chooseBackend(signal, emit);
      if (backend === "buildkit" && (limits.memoryBytes ?? limits.cpus) !== undefined) {
        emit({
          type: "warning",
          code: "WARN_BUILD_LIMITS_IGNORED",
          message: "The engine's BuildKit applies no memory or CPU limit to a build.",
          hint: "Limit the engine itself (its cgroup) if a build must not take the whole machine.",
        });
      }
      const built = await runBuild({
        engine,
        backend,
        request,
        limits,
        subject,
        clean,
        now: () => clock.monotonic(),
        tailLines: options.tailLines ?? DEFAULT_TAIL_LINES,
        emit,
        signal,
        onProgress: () => idle.progress(),
      });
      return {
        ...built,
        tags: request.tags,
        backend,
        durationMs: clock.monotonic() - startedAt,
      };
    } catch (error) {
      if (signal.aborted && !(error instanceof ImageBuildError)) throw signal.reason;
      throw error;
    } finally {
      // Streams that are torn down late have nothing to tell any more.
      settled = true;
    }
  };

  return { build, settingsDigest: digestSettings };
}
