/** `buildkit` and `classic` are inside the engine; `buildx` is the plugin with a builder of its own. */
export type BuildBackendName = "buildkit" | "classic" | "buildx";

/** The drivers of buildx that are understood. */
export type BuilderDriver = "docker" | "docker-container" | "remote" | "kubernetes";

/** What a backend can do. A request that needs more is refused before anything is sent. */
export interface BackendCapabilities {
  /** Into the engine's image store. */
  readonly load: boolean;
  /** From the builder straight to a registry. */
  readonly push: boolean;
  readonly multiPlatform: boolean;
  /** Several platforms into the engine's store: needs its containerd store. */
  readonly multiPlatformLoad: boolean;
  /** Types of `--cache-from`. */
  readonly cacheImports: readonly string[];
  /** Types of `--cache-to`. */
  readonly cacheExports: readonly string[];
  readonly secrets: boolean;
  readonly ssh: boolean;
  readonly attestations: boolean;
  readonly annotations: boolean;
  readonly ociLayout: boolean;
  readonly directoryOutput: boolean;
  readonly gitContext: boolean;
  readonly tarContext: boolean;
  readonly namedContexts: boolean;
  readonly rewriteTimestamps: boolean;
  readonly check: boolean;
}

/** One way to build on this machine; chosen once and used for a whole operation. */
export interface BuildBackend {
  readonly name: BuildBackendName;
  /** Undefined for the builders inside the engine. */
  readonly driver: BuilderDriver | undefined;
  /** The builder that is passed as `--builder`; undefined for the builders inside the engine. */
  readonly builder: string | undefined;
  /** Address that was really probed, safe to print. */
  readonly endpoint: string;
  readonly capabilities: BackendCapabilities;
}

/** Why a way to build was taken or not, for people. */
export interface BackendCandidate {
  readonly name: BuildBackendName;
  readonly driver: BuilderDriver | undefined;
  readonly builder: string | undefined;
  /** Undefined when nothing names one. */
  readonly endpoint: string | undefined;
  readonly verdict: "chosen" | "usable" | "unusable" | "absent";
  /** One sentence each: what was found, what is missing, which setting decided. */
  readonly reasons: readonly string[];
  /** Undefined for what is absent or does not answer. */
  readonly capabilities: BackendCapabilities | undefined;
}
