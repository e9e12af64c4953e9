import {
  createDeadline,
  createRedactor,
  systemClock,
  type BuildEvent,
  type Clock,
  type EventSink,
  type Redactor,
} from "@molecule-ai/core";
import { createBuildQueue, type BuildPlace, type BuildQueue } from "./build-queue.js";
import type { BuildRun, BuiltImage } from "./build-run.js";
import { openBuildWatch, type BuildWatch } from "./build-watch.js";
import { runBuildxBuild } from "./buildx/buildx-build.js";
import { readSecretValues } from "./buildx/secrets.js";
import {
  chooseBackend,
  refuseWhatIsMissing,
  titleOf,
  type BackendSources,
  type ChosenBackend,
} from "./chosen-backend.js";
import { runEngineBuild } from "./engine/engine-build.js";
import { ImageBuildError } from "./errors.js";
import type { BuildOptions, BuildResult, ImageBuilder } from "./image-builder.js";
import { checkOptions, resolveLimits, type ResolvedBuildLimits } from "./options.js";
import { warnOfSecretArguments } from "./secret-arguments.js";
import { digestSettings } from "./settings-digest.js";

/** Makes what a builder needs to reach registries, for one build; disposed when it is over. */
export type RegistryAccess = (request: {
  readonly need: BuildOptions;
  readonly signal: AbortSignal;
}) => Promise<AsyncDisposable & { readonly env: Readonly<Record<string, string>> }>;

export interface ImageBuilderOptions {
  /** The engine that builds, and that will have the image. Not disposed by the builder. */
  readonly engine: BackendSources["engine"];
  readonly clock?: Clock | undefined;
  /** Removes secrets from step names, output and errors. */
  readonly redactor?: Redactor | undefined;
  /**
   * `auto` (default) and `engine` take the engine's BuildKit when it has one, else its classic
   * builder; `classic` takes that one. A backend of buildx, or a function that chooses one, needs
   * `buildx`. Whatever it is, one build uses one backend from its start to its end.
   */
  readonly backend?: BackendSources["backend"];
  /** The program for backends of buildx. It must speak to `engine`, or nothing can be loaded. */
  readonly buildx?: BackendSources["buildx"];
  /** For builds with buildx; without it they have the credentials of the environment of `buildx`. */
  readonly registryAccess?: RegistryAccess | undefined;
  /** Builds that run at once on one builder; the others wait for their turn. Default: no limit. */
  readonly concurrency?: number | undefined;
  /** How many last lines of a failed step an error carries; default 20. */
  readonly tailLines?: number | undefined;
}

const DEFAULT_TAIL_LINES = 20;

/** Builds images with the builders inside a Docker engine, or with buildx. */
export function createImageBuilder(options: ImageBuilderOptions): ImageBuilder {
  const { engine, clock = systemClock } = options;
  const redactor = options.redactor ?? createRedactor();
  const queue = createBuildQueue(options.concurrency ?? Infinity);
  const now = (): number => clock.monotonic();

  const build = async (request: BuildOptions): Promise<BuildResult> => {
    request.signal?.throwIfAborted();
    checkOptions(request);
    const limits = resolveLimits(request.limits);
    const own = createRedactor(await readSecretValues(request.secrets ?? []));
    const clean = (text: string): string => own.redact(redactor.redact(text));
    const subject = clean(`Build of ${request.tags[0] ?? ""}`);
    await using watch = await openBuildWatch(request, limits.logBytes);
    const { emit } = watch;
    const time = { what: subject, limits, signal: request.signal };

    const chosen = await withinLimits(time, ({ signal }) =>
      chooseBackend(options, { need: request, signal, emit }),
    );
    refuseWhatIsMissing(request, chosen, subject);
    warnOfSecretArguments(request, emit);
    warnOfLimits(limits, chosen, emit);
    using _place = await waitForPlace(queue, chosen, { signal: request.signal, emit, now });
    const startedAt = now();
    const built = await withinLimits(time, ({ signal, onProgress }) =>
      runOn(chosen, options.registryAccess, watch, {
        engine,
        request,
        limits,
        subject,
        clean,
        now,
        tailLines: options.tailLines ?? DEFAULT_TAIL_LINES,
        emit,
        signal,
        onProgress,
      }),
    );
    return watch.result(built, chosen, now() - startedAt);
  };

  return { build, settingsDigest: digestSettings };
}

interface TimeLimits {
  readonly what: string;
  readonly limits: ResolvedBuildLimits;
  readonly signal: AbortSignal | undefined;
}

/** Aborts the work when nothing is heard of it for too long, and when it takes too long as a whole. */
async function withinLimits<T>(
  { what, limits, signal: callers }: TimeLimits,
  work: (time: { readonly signal: AbortSignal; readonly onProgress: () => void }) => Promise<T>,
): Promise<T> {
  const { totalTimeoutMs, idleTimeoutMs } = limits;
  using total = createDeadline({
    what,
    timeoutMs: totalTimeoutMs,
    kind: "total",
    signal: callers,
  });
  using idle = createDeadline({ what, timeoutMs: idleTimeoutMs, signal: total.signal });
  const { signal } = idle;
  try {
    return await work({ signal, onProgress: () => idle.progress() });
  } catch (error) {
    if (signal.aborted && !(error instanceof ImageBuildError)) throw signal.reason;
    throw error;
  }
}

const NEVER = new AbortController().signal;
const WAIT = "queue";

async function waitForPlace(
  queue: BuildQueue,
  chosen: ChosenBackend,
  wait: {
    readonly signal: AbortSignal | undefined;
    readonly emit: EventSink<BuildEvent>;
    readonly now: () => number;
  },
): Promise<BuildPlace> {
  const { signal = NEVER, emit, now } = wait;
  const startedAt = now();
  const key = chosen.name === "buildx" ? `buildx ${chosen.backend.builder ?? ""}` : chosen.name;
  const name = `[internal] wait for a place at ${titleOf(chosen)}`;
  const vertex = { type: "build.vertex", id: WAIT, name } as const;
  let waits = false;
  const end = (status: "completed" | "canceled"): void => {
    if (waits) emit({ ...vertex, status, durationMs: now() - startedAt });
  };
  try {
    const place = await queue.enter(key, {
      signal,
      onWait() {
        waits = true;
        emit({ ...vertex, status: "started" });
      },
    });
    end("completed");
    return place;
  } catch (error) {
    end("canceled");
    throw error;
  }
}

async function runOn(
  chosen: ChosenBackend,
  registryAccess: RegistryAccess | undefined,
  watch: BuildWatch,
  run: BuildRun,
): Promise<BuiltImage> {
  if (chosen.name !== "buildx") return runEngineBuild({ ...run, backend: chosen.name });
  const { request: need, signal } = run;
  await using access = await registryAccess?.({ need, signal });
  return await runBuildxBuild({
    ...run,
    backend: chosen.backend,
    buildx: chosen.buildx,
    env: access?.env,
    onCacheRefused: (reason) => watch.refuseExports(reason),
  });
}

function warnOfLimits(
  { memoryBytes, cpus }: ResolvedBuildLimits,
  chosen: ChosenBackend,
  emit: EventSink<BuildEvent>,
): void {
  if (chosen.name === "classic" || (memoryBytes ?? cpus) === undefined) return;
  emit({
    type: "warning",
    code: "WARN_BUILD_LIMITS_IGNORED",
    message: "BuildKit applies no memory or CPU limit to a build.",
    hint: "Limit the engine or the builder itself (its cgroup) if a build must not take the whole machine.",
  });
}
