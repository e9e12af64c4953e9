import type { EventSink, PullEvent, PushEvent } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import type { RegistryCredential } from "./registry-credential.js";

/** Options every call takes. Abort stops the call in the engine where the engine can; the promise rejects with `signal.reason`. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How an engine was reached; safe to print. */
export interface EngineEndpoint {
  readonly kind: "unix" | "npipe" | "tcp" | "tls" | "ssh";
  /** Socket path or `host:port`, without credentials. */
  readonly address: string;
  /** Where we learnt of it: `DOCKER_HOST`, `context "x"`, `rootless socket`, `podman socket` … */
  readonly origin: string;
}

export interface EngineInfo {
  /** Stable identity of the engine. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly os: string;
  /** Go's word: amd64, arm64 … */
  readonly arch: string;
  readonly kernel: string;
  readonly storageDriver: string;
  /** True when images are kept in containerd's store, which holds several platforms of one image. */
  readonly containerdStore: boolean;
  readonly rootDir: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** OCI runtimes by name. */
  readonly runtimes: readonly string[];
  readonly rootless: boolean;
  /** True when the engine's own BuildKit answers `POST /build?version=2`. */
  readonly buildkit: boolean;
  /** True for Podman's compatible API. */
  readonly podman: boolean;
}

export interface ImageInfo {
  /** `sha256:…` of the config (or of the manifest with the containerd store). */
  readonly id: string;
  readonly tags: readonly string[];
  /** `repository@sha256:…` as pulled or pushed. */
  readonly digests: readonly string[];
  readonly os: string;
  readonly arch: string;
  readonly variant: string | undefined;
  readonly sizeBytes: number;
  /** Unix milliseconds; undefined when the engine leaves it out. */
  readonly createdAt: number | undefined;
  /** When it last got a tag on this engine by a build, an import or {@link ImageApi.tag}; engines do not tell it of a pull or a load. */
  readonly taggedAt: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly user: string;
  readonly env: readonly string[];
  readonly workingDir: string;
}

export interface ImageSummary {
  readonly id: string;
  /** The image this one was made from on this engine; undefined for pulled and BuildKit's images. */
  readonly parentId: string | undefined;
  readonly tags: readonly string[];
  /** `repository@sha256:…` as pulled or pushed. */
  readonly digests: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  readonly createdAt: number;
}

export interface PullOptions extends CallOptions {
  /** `os/arch[/variant]`; the engine's own when absent. */
  readonly platform?: string | undefined;
  readonly onEvent?: EventSink<PullEvent> | undefined;
}

export interface PushOptions extends CallOptions {
  /** Instead of the credential that applies to the registry. */
  readonly credential?: RegistryCredential | undefined;
  /** `os/arch[/variant]`: pushes one platform of several; API 1.46 or newer. */
  readonly platform?: string | undefined;
  readonly onEvent?: EventSink<PushEvent> | undefined;
}

export interface PushResult {
  /** `sha256:…` of the manifest (or index) as the registry has it. */
  readonly digest: string;
  /** Size of that manifest. */
  readonly sizeBytes: number;
}

/** What an image archive held. */
export interface LoadedImages {
  /** Tags that were set; they may have been taken from other images. */
  readonly references: readonly string[];
  /** Images that came without a tag. */
  readonly ids: readonly string[];
}

/** One step of an image's making, newest first. */
export interface ImageLayer {
  /** Undefined for steps whose image is not on this engine. */
  readonly id: string | undefined;
  readonly tags: readonly string[];
  readonly createdBy: string;
  readonly comment: string;
  /** Bytes the step added; 0 for one that only changed settings. */
  readonly sizeBytes: number;
  readonly createdAt: number | undefined;
}

export interface ImageApi {
  /** Undefined only when the engine answered 404. */
  inspect(ref: string, options?: CallOptions): Promise<ImageInfo | undefined>;
  list(
    filter?: { readonly labels?: readonly string[]; readonly reference?: string },
    options?: CallOptions,
  ): Promise<ImageSummary[]>;
  tag(source: string, target: string, options?: CallOptions): Promise<void>;
  /**
   * Removes a tag, or the image by id. False when it was not there; throws `ERR_ENGINE_CONFLICT` when
   * a container uses it, or for an id that several tags name. `force` removes it all the same from
   * all but running containers; with `noPrune` untagged parents stay.
   */
  remove(
    ref: string,
    options?: CallOptions & {
      readonly force?: boolean | undefined;
      readonly noPrune?: boolean | undefined;
    },
  ): Promise<boolean>;
  /** Pulls with the credentials that apply to the registry of `ref`; resolves to the pulled digest. */
  pull(ref: string, options?: PullOptions): Promise<{ readonly digest: string | undefined }>;
  /**
   * Pushes one tag (`latest` when none is named) with the credential that applies to its registry, or
   * the given one; resolves once the registry has all of it. `ERR_PUSH_*` by what the registry says;
   * abort ends the push in the engine, which may first wait for the registry's answer to a layer it
   * has sent in whole (20.10 does). A layer that fails is tried again by the engine itself.
   */
  push(ref: string, options?: PushOptions): Promise<PushResult>;
  /** Creates an image from a root filesystem tar. */
  import(tar: Readable, ref: string, options?: CallOptions): Promise<string>;
  /**
   * The images as an archive that {@link ImageApi.load} takes: an OCI layout on newer engines,
   * Docker's own on older, which never has more than one platform. `ERR_ENGINE_NOT_FOUND` when one
   * is absent. The stream must be read to its end or destroyed.
   */
  save(refs: readonly string[], options?: CallOptions): Promise<Readable>;
  /** Takes an archive of {@link ImageApi.save}; limited by `signal` alone. */
  load(archive: Readable, options?: CallOptions): Promise<LoadedImages>;
  /** How an image was made; undefined when it is absent. */
  history(ref: string, options?: CallOptions): Promise<readonly ImageLayer[] | undefined>;
}

/** The engine's own JSON, as documented for `POST /containers/create`. */
export type ContainerConfig = Readonly<Record<string, unknown>>;

export interface ContainerInfo {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly image: string;
  readonly imageRef: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: ContainerState;
  readonly restartCount: number;
  readonly createdAt: number;
  readonly env: readonly string[];
  /** Published ports: `8000/tcp` → host address and port. */
  readonly ports: Readonly<
    Record<string, readonly { readonly ip: string; readonly port: number }[]>
  >;
  readonly mounts: readonly ContainerMount[];
  readonly networks: Readonly<
    Record<string, { readonly ip: string; readonly aliases: readonly string[] }>
  >;
  readonly hostConfig: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface ContainerState {
  readonly status: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  readonly running: boolean;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly health: "none" | "starting" | "healthy" | "unhealthy";
}

export interface ContainerMount {
  readonly type: string;
  readonly name: string | undefined;
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
}

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: ContainerState["status"];
  readonly createdAt: number;
  readonly ports: readonly {
    readonly container: string;
    readonly ip: string;
    readonly port: number;
  }[];
}

export interface LogOptions extends CallOptions {
  readonly follow?: boolean | undefined;
  /** Last n lines; all when absent. */
  readonly tail?: number | undefined;
  /** Unix milliseconds. */
  readonly since?: number | undefined;
  readonly timestamps?: boolean | undefined;
}

export interface LogChunk {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
}

export interface ExecOptions extends CallOptions {
  readonly argv: readonly string[];
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
  readonly tty?: boolean | undefined;
  readonly stdin?: Readable | undefined;
  /** Receives output as it comes; with a TTY everything is stdout. */
  readonly onOutput?: ((chunk: LogChunk) => void) | undefined;
  /** Called once the process runs and has a TTY: how to tell it a new window size. */
  readonly onResizable?:
    ((resize: (size: { rows: number; columns: number }) => Promise<void>) => void) | undefined;
}

export interface PathStat {
  readonly name: string;
  readonly sizeBytes: number;
  /** Permission and type bits as Go's os.FileMode. */
  readonly mode: number;
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly modifiedAt: number;
  readonly linkTarget: string;
}

export interface ContainerApi {
  create(
    config: ContainerConfig,
    options: CallOptions & { readonly name: string; readonly platform?: string | undefined },
  ): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  inspect(id: string, options?: CallOptions): Promise<ContainerInfo | undefined>;
  list(
    filter?: {
      readonly labels?: readonly string[] | undefined;
      readonly name?: string | undefined;
      readonly all?: boolean | undefined;
      readonly ancestor?: string | undefined;
    },
    options?: CallOptions,
  ): Promise<ContainerSummary[]>;
  start(id: string, options?: CallOptions): Promise<void>;
  /** SIGTERM (or the image's stop signal), `graceSeconds`, then SIGKILL. False when the container was absent. */
  stop(id: string, options: CallOptions & { readonly graceSeconds: number }): Promise<boolean>;
  pause(id: string, options?: CallOptions): Promise<void>;
  unpause(id: string, options?: CallOptions): Promise<void>;
  rename(id: string, name: string, options?: CallOptions): Promise<void>;
  /** Changes the restart policy or limits of a container. */
  update(
    id: string,
    changes: Readonly<Record<string, unknown>>,
    options?: CallOptions,
  ): Promise<void>;
  /** Resolves with the exit code when the container is not running any more. */
  wait(id: string, options?: CallOptions): Promise<number>;
  /** False when absent. A removal already in progress counts as done once the container is gone. */
  remove(
    id: string,
    options?: CallOptions & {
      readonly force?: boolean | undefined;
      readonly volumes?: boolean | undefined;
    },
  ): Promise<boolean>;
  /** Ends when the log ends (or never with `follow`, until aborted). */
  logs(id: string, options?: LogOptions): AsyncIterable<LogChunk>;
  /**
   * Runs a program and waits for its end. Abort closes its input and output; the engine has no call
   * that would kill it, so a program that ignores both goes on.
   */
  exec(id: string, options: ExecOptions): Promise<{ readonly exitCode: number }>;
  /** Extracts a tar under `path`; works on a container that was never started, with its volumes mounted. */
  putArchive(
    id: string,
    path: string,
    tar: Readable | Buffer,
    options?: CallOptions,
  ): Promise<void>;
  /** A tar of `path`, or undefined when the path (not the container) is absent. */
  getArchive(id: string, path: string, options?: CallOptions): Promise<Readable | undefined>;
  /** Undefined when the path is absent; throws `ERR_ENGINE_NOT_FOUND` when the container is. */
  statPath(id: string, path: string, options?: CallOptions): Promise<PathStat | undefined>;
}

export interface VolumeInfo {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driver: string;
  readonly createdAt: number | undefined;
}

export interface VolumeApi {
  /** Idempotent in the engine: an existing volume keeps its labels and is returned. */
  create(
    volume: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<VolumeInfo>;
  inspect(name: string, options?: CallOptions): Promise<VolumeInfo | undefined>;
  list(
    filter?: { readonly labels?: readonly string[] },
    options?: CallOptions,
  ): Promise<VolumeInfo[]>;
  /** False when absent; `ERR_ENGINE_CONFLICT` while a container uses it. */
  remove(name: string, options?: CallOptions): Promise<boolean>;
}

export interface NetworkInfo {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Those that run now; only `inspect` knows them, in a list it is empty. */
  readonly containers: readonly string[];
  readonly createdAt: number | undefined;
}

export interface NetworkApi {
  inspect(name: string, options?: CallOptions): Promise<NetworkInfo | undefined>;
  /** Throws `ERR_ENGINE_CONFLICT` when a network of that name exists. */
  create(
    network: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<NetworkInfo>;
  remove(name: string, options?: CallOptions): Promise<boolean>;
  list(
    filter?: { readonly labels?: readonly string[] },
    options?: CallOptions,
  ): Promise<NetworkInfo[]>;
}

/** One record of the engine's own BuildKit cache. */
export interface BuildCacheRecord {
  readonly id: string;
  /** Records it is built on: they stay as long as it does. */
  readonly parents: readonly string[];
  /** BuildKit's word: regular, source.local, source.git.checkout, exec.cachemount, frontend, internal. */
  readonly type: string;
  readonly description: string;
  readonly sizeBytes: number;
  /** Its bytes are also an image's: removing it frees nothing. */
  readonly shared: boolean;
  readonly inUse: boolean;
  readonly usageCount: number;
  readonly createdAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}

export interface BuildCachePruneOptions extends CallOptions {
  /** Only these records; an empty list removes nothing. */
  readonly ids?: readonly string[] | undefined;
  /** Also shared, internal and frontend records. */
  readonly all?: boolean | undefined;
  /** Only what was not used for that long, milliseconds. */
  readonly unusedForMs?: number | undefined;
  /** Stops once the cache is not larger than this. */
  readonly keepBytes?: number | undefined;
  /** Upper limit of the cache; API 1.48 or newer. */
  readonly maxUsedBytes?: number | undefined;
  /** Prunes until the disk has so much free; API 1.48 or newer. */
  readonly minFreeBytes?: number | undefined;
}

export interface BuildCacheApi {
  /** Walks all of the engine's storage: seconds on a large one. */
  list(options?: CallOptions): Promise<BuildCacheRecord[]>;
  /**
   * Removes records that no build uses now. Without any option: all but shared, internal and
   * frontend records, of everybody who builds on this engine.
   */
  prune(options?: BuildCachePruneOptions): Promise<{
    readonly reclaimedBytes: number;
    readonly removed: readonly string[];
  }>;
}

/** Something that happened to a container, or `relisted`: events may have been lost, look again. */
export type EngineEvent =
  | {
      readonly type: "container";
      readonly action: string;
      readonly id: string;
      readonly name: string;
      /** Labels, and facts the engine mixes with them: image, signal, execID … */
      readonly labels: Readonly<Record<string, string>>;
      readonly exitCode: number | undefined;
      /** Unix milliseconds. */
      readonly at: number;
    }
  | {
      readonly type: "relisted";
      readonly containers: readonly ContainerSummary[];
      readonly at: number;
    };

/**
 * A raw request for the parts of the API that stream in both directions, such as `/build`. It
 * resolves on the answer's header, while the body may still be sent; only `signal` limits it.
 */
export interface EngineRequest extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** Path without the version prefix, for example `/build`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Readable | Buffer | undefined;
  /** Statuses that are not errors; the default is every 2xx. */
  readonly expect?: readonly number[] | undefined;
  /** Name of what is asked for, for the error message. */
  readonly subject: string;
}

export interface EngineResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** One Docker engine. Every failure is an `EngineError` classified by status code, never by text. */
export interface DockerEngine extends AsyncDisposable {
  readonly endpoint: EngineEndpoint;
  readonly images: ImageApi;
  readonly containers: ContainerApi;
  readonly volumes: VolumeApi;
  readonly networks: NetworkApi;
  readonly buildCache: BuildCacheApi;
  /** Memoised after the first success. */
  info(options?: CallOptions): Promise<EngineInfo>;
  /** Bytes used by images, containers, volumes and build cache. */
  diskUsage(options?: CallOptions): Promise<EngineDiskUsage>;
  /**
   * Container events from now on; reconnects. Each time the stream opens, also the first,
   * `relisted` comes before its events, so nothing falls between list and watch. Ends on abort.
   */
  events(
    filter: { readonly labels?: readonly string[] | undefined },
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<EngineEvent>;
  request(request: EngineRequest): Promise<EngineResponse>;
  /** Authorization for `ref`'s registry as the `X-Registry-Auth` header wants it; undefined for none. */
  registryAuth(ref: string, options?: CallOptions): Promise<string | undefined>;
  /** All known registry credentials as `X-Registry-Config` wants them, for builds with private bases. */
  registryConfig(options?: CallOptions): Promise<string>;
}

export interface EngineDiskUsage {
  readonly imagesBytes: number;
  readonly containersBytes: number;
  readonly volumesBytes: number;
  readonly buildCacheBytes: number;
}
