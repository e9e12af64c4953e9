import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { Readable } from "node:stream";

/** Where the files of a build come from. */
export type BuildContext =
  /** A directory: `.dockerignore` is honoured, `.git` never sent, order and mtimes deterministic. */
  | { readonly kind: "directory"; readonly path: string }
  /** A ready tar, sent as it is. */
  | { readonly kind: "tar"; readonly stream: Readable };

export interface BuildOptions {
  readonly context: BuildContext;
  /** Full references, at least one. */
  readonly tags: readonly string[];
  /** Path inside the context; default `Dockerfile`. */
  readonly dockerfile?: string | undefined;
  readonly platform?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Never secrets: build arguments stay in the image history. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly target?: string | undefined;
  readonly noCache?: boolean | undefined;
  /** Ask the registry for newer bases even when they are present. */
  readonly pull?: boolean | undefined;
  readonly limits?: BuildLimits | undefined;
  /** Modification time given to every entry of the context, Unix seconds; default 0. */
  readonly sourceDateEpoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink<BuildEvent> | undefined;
}

export interface BuildLimits {
  readonly memoryBytes?: number | undefined;
  /** CPUs, fractional. */
  readonly cpus?: number | undefined;
  /** Largest context that is sent. */
  readonly contextBytes?: number | undefined;
  readonly contextFiles?: number | undefined;
  /** Longest silence of the build; default 10 minutes. */
  readonly idleTimeoutMs?: number | undefined;
  /** Longest build; default 60 minutes. */
  readonly totalTimeoutMs?: number | undefined;
}

export interface BuildResult {
  readonly imageId: string;
  readonly tags: readonly string[];
  readonly backend: "buildkit" | "classic";
  readonly durationMs: number;
  readonly contextBytes: number;
  /** Steps taken from the cache and all steps. */
  readonly cachedSteps: number;
  readonly steps: number;
}

export interface ImageBuilder {
  /** Builds and tags; on abort the build is stopped in the engine and nothing is tagged. */
  build(options: BuildOptions): Promise<BuildResult>;
  /** A digest over every setting of `options` that shapes the result, but neither context nor tags. */
  settingsDigest(
    options: Pick<BuildOptions, "dockerfile" | "platform" | "buildArgs" | "target">,
  ): string;
}
