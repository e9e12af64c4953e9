import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { BuildOptions, BuildResult } from "./image-builder.js";
import type { ResolvedBuildLimits } from "./options.js";

/** One build on its way: what every backend is given. */
export interface BuildRun {
  /** Will have the image, when it is loaded. */
  readonly engine: DockerEngine;
  readonly request: BuildOptions;
  readonly limits: ResolvedBuildLimits;
  /** What is being built, for error messages. */
  readonly subject: string;
  readonly clean: (text: string) => string;
  readonly now: () => number;
  readonly tailLines: number;
  readonly emit: EventSink<BuildEvent>;
  readonly signal: AbortSignal;
  /** Called for every sign of life. */
  readonly onProgress: () => void;
}

/** What a backend says of the image; the rest of {@link BuildResult} is told by the events. */
export type BuiltImage = Pick<
  BuildResult,
  "imageId" | "digest" | "contextBytes" | "steps" | "cachedSteps"
>;
