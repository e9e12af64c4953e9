import type { EventSink } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import type { WorkspacePlan } from "./workspace-plan.js";

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

/** What a plan changed, so that a failed apply can be taken back by whoever called it. */
export interface StartedWorkspace {
  readonly id: string;
  readonly url: string;
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
   * Brings the workspace of `plan` up: storage, seeded files, process. When one of that id runs
   * already, the new one is prepared beside it and swapped in; a failure leaves the old one running
   * or nothing of the new one behind. Emits stages create, seed, start.
   */
  start(
    plan: WorkspacePlan,
    options?: BackendOptions & { readonly onEvent?: EventSink | undefined },
  ): Promise<StartedWorkspace>;
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
