import type { EventSink } from "@molecule-ai/core";
import type { ResolvedImage } from "@molecule-ai/registry-mode";
import type { Readable } from "node:stream";
import type { Template } from "./template.js";
import type { WorkspacePlan } from "./workspace-plan.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

export interface BackendOptions {
  readonly signal?: AbortSignal | undefined;
}

export type WorkspaceStatus =
  "created" | "running" | "restarting" | "paused" | "exited" | "removing" | "dead";

/** A workspace as the backend finds it. */
export interface WorkspaceSummary {
  readonly id: string;
  readonly name: string;
  readonly runtime: string;
  readonly tier: number;
  readonly status: WorkspaceStatus;
  /** Base URL of the agent, undefined while it has none. */
  readonly url: string | undefined;
  readonly image: string;
  readonly createdAt: number;
}

export interface WorkspaceDetails extends WorkspaceSummary {
  readonly imageId: string;
  readonly revision: string | undefined;
  readonly digest: string | undefined;
  readonly exitCode: number | undefined;
  readonly restartCount: number;
  /** The process was ended for want of memory. */
  readonly oomKilled: boolean;
  /** What the image's own health check says. */
  readonly health: "none" | "starting" | "healthy" | "unhealthy";
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly volumes: readonly {
    readonly name: string;
    readonly role: string;
    readonly path: string;
  }[];
  /** Names of the environment, never its values. */
  readonly envNames: readonly string[];
  /** The backend's own record, with secret values removed. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Something that happened to one of our workspaces, or `relisted`: look again at all of them. */
export type WorkspaceNotice =
  | {
      readonly type: "started" | "removed" | "paused" | "resumed";
      readonly id: string;
      readonly at: number;
    }
  | {
      readonly type: "exited";
      readonly id: string;
      readonly exitCode: number | undefined;
      readonly at: number;
    }
  | {
      readonly type: "relisted";
      readonly workspaces: readonly WorkspaceSummary[];
      readonly at: number;
    };

export interface LogLine {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
}

export interface ExecRequest extends BackendOptions {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
  readonly tty?: boolean | undefined;
  readonly stdin?: Readable | undefined;
  readonly onOutput?: ((line: LogLine) => void) | undefined;
  readonly onResizable?:
    ((resize: (size: { rows: number; columns: number }) => Promise<void>) => void) | undefined;
}

export interface FileStat {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly modifiedAt: number;
}

/** Files of a workspace, whether it runs or not. Paths are absolute inside the workspace. */
export interface WorkspaceFiles {
  /** Undefined only when the path is absent. */
  stat(id: string, path: string, options?: BackendOptions): Promise<FileStat | undefined>;
  /** Undefined only when the path is absent; `ERR_WORKSPACE_FILE_TOO_LARGE` past `maxBytes` (default 1 MiB). */
  read(
    id: string,
    path: string,
    options?: BackendOptions & { readonly maxBytes?: number | undefined },
  ): Promise<Buffer | undefined>;
  write(
    id: string,
    path: string,
    content: Uint8Array,
    options?: BackendOptions & {
      readonly mode?: number | undefined;
      readonly uid?: number | undefined;
      readonly gid?: number | undefined;
    },
  ): Promise<void>;
  /** Copies a host file or directory tree into the workspace directory `path`. */
  copyIn(id: string, hostPath: string, path: string, options?: BackendOptions): Promise<void>;
  /** Copies a file or directory tree out of the workspace; links that leave the target are refused. */
  copyOut(id: string, path: string, hostPath: string, options?: BackendOptions): Promise<void>;
}

/** A workspace whose process was started. */
export interface StartedWorkspace {
  readonly id: string;
  readonly url: string;
  /** False when the URL works only on the engine's own machine, which is not this one. */
  readonly reachable: boolean;
}

/** The contents that go with a plan. They are apart from it, so that a plan can be printed. */
export interface WorkspaceSeed {
  /** Copied into `/configs`, over what is there. */
  readonly template?: Template | undefined;
  /** Written below `/configs`, over the template. */
  readonly configFiles?: Readonly<Record<string, Uint8Array>> | undefined;
  /** Used only when kept storage brings no `config.yaml` of its own. */
  readonly fallback?:
    | {
        readonly template?: Template | undefined;
        readonly configFiles?: Readonly<Record<string, Uint8Array>> | undefined;
      }
    | undefined;
  readonly authToken?: string | undefined;
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  /** Forget the agent's own sessions; refused for a workspace that is being replaced. */
  readonly resetSessions?: boolean | undefined;
}

export interface StartOptions extends BackendOptions {
  readonly onEvent?: EventSink | undefined;
  readonly seed?: WorkspaceSeed | undefined;
  /**
   * Prepare the new one beside a workspace of the same id and swap it in. Without it an existing one
   * is `ERR_WORKSPACE_EXISTS`.
   */
  readonly replace?: boolean | undefined;
  /**
   * The caller holds the workspace and knows that no other process works on it: what an attempt left
   * is cleared away at once, however young it is. Without it the attempt of an unknown process is
   * believed to be under way for a while (`ERR_WORKSPACE_BUSY`).
   */
  readonly takeOver?: boolean | undefined;
  /**
   * Called once the process runs, while everything can still be taken back: when it rejects, all is
   * undone as for any other failure, and the replaced workspace runs again.
   */
  readonly verify?: ((started: StartedWorkspace) => Promise<void>) | undefined;
}

/** What a backend remembers of a workspace: enough to make it again. */
export interface RecalledWorkspace {
  /** Without config files and token: they are in the storage. */
  readonly spec: WorkspaceSpec;
  readonly image: ResolvedImage;
  readonly agentPort: number;
}

export interface OwnedResource {
  readonly kind: "workspace" | "volume" | "network";
  readonly name: string;
  /** Full workspace id, when it belongs to one. */
  readonly workspaceId: string | undefined;
  readonly createdAt: number | undefined;
  readonly running: boolean;
}

/**
 * Everything that speaks to a container runtime. It reports what is; it never decides what should
 * be. It speaks of workspaces, never of containers or pods.
 */
export interface WorkspaceBackend {
  /**
   * Brings the workspace of `plan` up: storage, seeded files, process. A failure or an abort leaves
   * the old one running or nothing of the new one behind, and says so in `undone` events. Emits
   * stages create, seed, start.
   */
  start(plan: WorkspacePlan, options?: StartOptions): Promise<StartedWorkspace>;
  /**
   * Clears away what an interrupted start left: a replacement that never ran goes, a replaced one
   * gets its name back, and one whose replacement ran goes. Nothing is started. `ERR_WORKSPACE_BUSY`
   * while a start is under way; see `StartOptions.takeOver`.
   */
  settle(
    id: string,
    options?: BackendOptions & {
      readonly takeOver?: boolean | undefined;
      readonly onEvent?: EventSink | undefined;
    },
  ): Promise<void>;
  /** How to make the workspace again; `ERR_WORKSPACE_NOT_FOUND` when there is none. */
  recall(id: string, options?: BackendOptions): Promise<RecalledWorkspace>;
  /** SIGTERM, grace, then force; the workspace and its storage stay. False when absent. */
  stop(
    id: string,
    options?: BackendOptions & { readonly graceSeconds?: number | undefined },
  ): Promise<boolean>;
  pause(id: string, options?: BackendOptions): Promise<void>;
  resume(id: string, options?: BackendOptions): Promise<void>;
  /** Undefined only when there is none; doubt is an error. */
  inspect(id: string, options?: BackendOptions): Promise<WorkspaceDetails | undefined>;
  /** Notices from now on, until abort. */
  watch(options: { readonly signal: AbortSignal }): AsyncIterable<WorkspaceNotice>;
  logs(
    id: string,
    options?: BackendOptions & {
      readonly follow?: boolean | undefined;
      readonly tail?: number | undefined;
      readonly since?: number | undefined;
      readonly timestamps?: boolean | undefined;
    },
  ): AsyncIterable<LogLine>;
  exec(id: string, request: ExecRequest): Promise<{ readonly exitCode: number }>;
  readonly files: WorkspaceFiles;
  /** Stops gracefully, removes the workspace and, unless kept, its storage. Storage stays after a failed stop. */
  remove(
    id: string,
    options?: BackendOptions & {
      readonly keepVolumes?: boolean | undefined;
      readonly graceSeconds?: number | undefined;
    },
  ): Promise<{ readonly removed: readonly string[] }>;
  /** Workspaces of this installation. */
  list(options?: BackendOptions): Promise<WorkspaceSummary[]>;
  /** Everything that carries our install id, workspaces or not. */
  listOwned(options?: BackendOptions): Promise<OwnedResource[]>;
  /** Removes one owned resource after checking again that it is ours. False when it was gone. */
  removeOwned(resource: OwnedResource, options?: BackendOptions): Promise<boolean>;
}
