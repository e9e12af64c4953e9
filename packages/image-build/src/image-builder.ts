import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import type { BuilderDriver, BuildBackendName } from "./backends/backend.js";
import type { CacheMode } from "./cache/cache-mode.js";
import type { CacheRef, CacheResolution } from "./cache/cache-ref.js";
import type { ShapingOptions } from "./settings-digest.js";
import type { BuildLayer } from "./progress/build-layer.js";

/** Where the files of a build come from. */
export type BuildContext =
  /** A directory: `.dockerignore` is honoured, `.git` never sent, order and mtimes deterministic. */
  | { readonly kind: "directory"; readonly path: string }
  /** A ready tar, sent as it is. */
  | { readonly kind: "tar"; readonly stream: Readable }
  /** A git repository at exactly that commit (40 or 64 hex digits); the builder fetches it. */
  | {
      readonly kind: "git";
      readonly url: string;
      readonly commit: string;
      readonly subdirectory?: string | undefined;
    };

/** A further context that the Dockerfile names: `COPY --from=<name>` or `FROM <name>`. */
export type NamedContext =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "image"; readonly reference: string }
  | { readonly kind: "git"; readonly url: string; readonly commit: string }
  | { readonly kind: "oci-layout"; readonly path: string; readonly digest: string };

/** A secret for `RUN --mount=type=secret,id=…`. It never reaches arguments, layers, history or logs. */
export interface BuildSecret {
  readonly id: string;
  readonly source:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "value"; readonly value: string };
}

/** An agent or keys for `RUN --mount=type=ssh,id=…`. */
export interface BuildSsh {
  /** Default `default`. */
  readonly id?: string | undefined;
  /** Socket of an agent; or private key files. */
  readonly agentSocket?: string | undefined;
  readonly keyFiles?: readonly string[] | undefined;
}

export interface BuildAttestations {
  /** `false` says explicitly none; undefined leaves it to the backend's default, which is none here. */
  readonly provenance?: "min" | "max" | false | undefined;
  /** `true` for the builder's own scanner, or the image of one. */
  readonly sbom?: boolean | { readonly generator: string } | undefined;
}

/** Where the result goes; several at once where the backend can. Default: `load`. */
export interface BuildOutput {
  /** Into the engine's image store. */
  readonly load?: boolean | undefined;
  /** Straight from the builder to the registries of the tags. */
  readonly push?: boolean | undefined;
  /** An OCI image layout in this directory. */
  readonly ociLayout?: string | undefined;
  /** The files of the last stage in this directory. */
  readonly directory?: string | undefined;
}

export interface BuildCache {
  /** `off`, `local`, `shared` or `hybrid`, for the report; told by the refs when it is not given. */
  readonly mode?: CacheMode | undefined;
  /** In order of precedence. */
  readonly imports: readonly CacheRef[];
  readonly exports: readonly CacheRef[];
}

export interface BuildOptions {
  readonly context: BuildContext;
  /** Full references, at least one. */
  readonly tags: readonly string[];
  /** Path inside the context; default `Dockerfile`. */
  readonly dockerfile?: string | undefined;
  readonly platform?: string | undefined;
  /** Several platforms in one image; excludes `platform`. */
  readonly platforms?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** OCI annotations, keys optionally with a level: `manifest:`, `index:`, `manifest,index:`. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Never secrets: build arguments stay in the image history. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly secrets?: readonly BuildSecret[] | undefined;
  readonly ssh?: readonly BuildSsh[] | undefined;
  readonly namedContexts?: Readonly<Record<string, NamedContext>> | undefined;
  readonly target?: string | undefined;
  readonly noCache?: boolean | undefined;
  /** Ask the registry for newer bases even when they are present. */
  readonly pull?: boolean | undefined;
  readonly cache?: BuildCache | undefined;
  readonly attestations?: BuildAttestations | undefined;
  readonly output?: BuildOutput | undefined;
  readonly limits?: BuildLimits | undefined;
  /** Modification time given to every entry of the context, Unix seconds; default 0. */
  readonly sourceDateEpoch?: number | undefined;
  /** Also give it to the build as `SOURCE_DATE_EPOCH`, and rewrite the times in the layers to it. */
  readonly rewriteTimestamps?: boolean | undefined;
  /** Where the whole output of the build is written, bounded; see `limits.logBytes`. */
  readonly logFile?: string | undefined;
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
  /** Largest log file; default 16 MiB, the middle is left out. */
  readonly logBytes?: number | undefined;
}

export interface BuildResult {
  /** `sha256:…` as the engine names it; undefined when nothing was loaded into an engine. */
  readonly imageId: string | undefined;
  /** Digest of the manifest or index; undefined when the backend cannot know it. */
  readonly digest: string | undefined;
  readonly tags: readonly string[];
  readonly backend: BuildBackendName;
  /** Of buildx; undefined for the engine's own builders. */
  readonly builder: { readonly name: string; readonly driver: BuilderDriver } | undefined;
  readonly durationMs: number;
  /** 0 when the builder read the context by itself. */
  readonly contextBytes: number;
  /** Steps taken from the cache and all steps. */
  readonly cachedSteps: number;
  readonly steps: number;
  readonly layers: readonly BuildLayer[];
  readonly cache: CacheResolution;
}

export interface ImageBuilder {
  /** Builds and tags; on abort the build is stopped where it runs and nothing is tagged. */
  build(options: BuildOptions): Promise<BuildResult>;
  /** A digest over every setting of `options` that shapes the result, but neither context nor tags. */
  settingsDigest(options: ShapingOptions): string;
}
