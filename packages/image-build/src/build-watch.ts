import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { BuiltImage } from "./build-run.js";
import type { ChosenBackend } from "./chosen-backend.js";
import type { BuildOptions, BuildResult } from "./image-builder.js";
import { openBuildLog } from "./progress/build-log-file.js";
import { createCacheObserver } from "./progress/cache-observer.js";
import { createLayerCollector } from "./progress/layer-view.js";
import { createLogLines } from "./progress/log-lines.js";

/** Everything that looks on while a build runs; disposing closes the log and silences the rest. */
export interface BuildWatch extends AsyncDisposable {
  readonly emit: EventSink<BuildEvent>;
  /** The builder took none of the cache exports. */
  refuseExports(reason: string): void;
  result(built: BuiltImage, chosen: ChosenBackend, durationMs: number): BuildResult;
}

/** Throws `ERR_BUILD_OPTIONS` when the log file cannot be made. */
export async function openBuildWatch(request: BuildOptions, logBytes: number): Promise<BuildWatch> {
  const layers = createLayerCollector();
  const cache = createCacheObserver(request.cache);
  let settled = false;
  let writeLine: EventSink<BuildEvent> | undefined;
  const emit: EventSink<BuildEvent> = (event) => {
    // Streams that are torn down late have nothing to tell any more.
    if (settled) return;
    layers.accept(event);
    cache.accept(event);
    writeLine?.(event);
    request.onEvent?.(event);
  };
  const log =
    request.logFile === undefined
      ? undefined
      : await openBuildLog({ path: request.logFile, limitBytes: logBytes, emit });
  if (log !== undefined) writeLine = createLogLines((line) => log.write(line));

  return {
    emit,
    refuseExports: (reason) => cache.refuseExports(reason),
    result(built, chosen, durationMs) {
      const builder =
        chosen.name === "buildx"
          ? {
              name: chosen.backend.builder ?? "default",
              driver: chosen.backend.driver ?? ("docker" as const),
            }
          : undefined;
      const { steps, cachedSteps } = built;
      return {
        ...built,
        tags: request.tags,
        backend: chosen.name,
        builder,
        durationMs,
        layers: layers.layers(),
        cache: cache.resolution({ builder: builder?.name, steps, cachedSteps }),
      };
    },
    async [Symbol.asyncDispose]() {
      settled = true;
      await log?.[Symbol.asyncDispose]();
    },
  };
}
