import type { LocalImage } from "@molecule-ai/local-build";
import type {
  LogLine,
  SweepResult,
  UpResult,
  WorkspaceDetails,
  WorkspaceStatus,
  WorkspaceSummary,
} from "@molecule-ai/provisioner-core";
import type { ResolvedImage } from "@molecule-ai/registry-mode";
import type { SpecOptions } from "../grammar/spec-command.js";
import type { WorkspaceWhy } from "./workspace-why.js";

/** What a workspace is doing: the engine's words here, the server's words through a server. */
export type FleetStatus =
  | WorkspaceStatus
  | "provisioning"
  | "awaiting_agent"
  | "online"
  | "degraded"
  | "offline"
  | "failed"
  | "hibernating"
  | "hibernated"
  | "removed";

/** A workspace in a list. */
export interface FleetWorkspace extends Omit<WorkspaceSummary, "status" | "image"> {
  readonly status: FleetStatus;
  /** Undefined while no image was chosen. */
  readonly image: string | undefined;
}

type Known = "revision" | "digest" | "volumes" | "envNames" | "raw";

/** All that is known of a workspace; a server does not tell what only its engine knows. */
export interface FleetDetails
  extends
    FleetWorkspace,
    Pick<WorkspaceDetails, Known>,
    Partial<Omit<WorkspaceDetails, Known | keyof WorkspaceSummary>> {
  /** Why it is in its status, when that is not what was wished. */
  readonly why?: string | undefined;
}

/** The image a workspace was started from, as far as it is known. */
export type FleetImage = Pick<ResolvedImage, "ref" | "outcome"> & Partial<ResolvedImage>;

export interface FleetUpResult
  extends Omit<UpResult, "url" | "internalUrl" | "image">, Partial<Pick<UpResult, "internalUrl">> {
  /** Undefined only when it was not waited for. */
  readonly url: string | undefined;
  readonly image: FleetImage | undefined;
}

export interface UpRequest {
  readonly runtime: string;
  readonly options: SpecOptions;
  /** Wait until the agent answers. */
  readonly wait: boolean;
  /** Longest wait without a sign of life. */
  readonly timeoutMs: number | undefined;
}

export interface RestartRequest extends Pick<UpRequest, "wait" | "timeoutMs"> {
  readonly upgrade: boolean | undefined;
}

export interface StopRequest {
  readonly graceSeconds: number | undefined;
}

export interface RemoveRequest extends StopRequest {
  readonly keepVolumes: boolean | undefined;
}

export interface LogRequest {
  readonly follow?: boolean | undefined;
  readonly tail?: number | undefined;
  /** Unix milliseconds. */
  readonly since?: number | undefined;
  readonly timestamps?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface SweepRequest {
  readonly dryRun: boolean;
  readonly graceMs: number | undefined;
  readonly volumes: boolean | undefined;
}

export type WorkspaceName = Pick<FleetWorkspace, "id" | "name">;

/** One workspace that was removed, and what went with it, as far as it is known. */
export interface Removed extends WorkspaceName {
  readonly parts: readonly string[];
}

/**
 * The workspaces of one installation, wherever they are: on this machine's engine or behind a
 * server. A command talks to this and does not know which it is. Every call heeds the signal of the
 * run; what the place cannot do is refused by name. Dispose it to let go of engine or server.
 */
export interface Fleet extends AsyncDisposable {
  list(): Promise<readonly FleetWorkspace[]>;
  /** The workspace a person means; see `findWorkspace`. */
  find(query: string): Promise<FleetWorkspace>;
  /** All of them, each once, or an error before anything is done to any. */
  findAll(queries: readonly string[]): Promise<readonly FleetWorkspace[]>;
  /** Undefined when it is gone. */
  inspect(id: string): Promise<FleetDetails | undefined>;
  /** How the image of a workspace came to be, and what admission says of it. */
  explain(workspace: FleetWorkspace): Promise<WorkspaceWhy>;
  logs(id: string, request: LogRequest): AsyncIterable<LogLine>;
  /** Everything that can be refused is refused before anything is begun. An abort leaves nothing. */
  up(request: UpRequest): Promise<FleetUpResult>;
  restart(workspace: FleetWorkspace, request: RestartRequest): Promise<FleetUpResult>;
  /** False when it is gone. */
  stop(workspace: FleetWorkspace, request: StopRequest): Promise<boolean>;
  /** One after the other; the first failure ends it. */
  remove(
    workspaces: readonly FleetWorkspace[],
    request: RemoveRequest,
  ): Promise<readonly Removed[]>;
  sweep(request: SweepRequest): Promise<SweepResult>;
  images(): Promise<readonly FleetRuntimeImage[]>;
}

/** An image of a runtime: one that was built here, or that workspaces of a server use. */
export type FleetRuntimeImage = Pick<LocalImage, "runtime"> & {
  readonly [Key in keyof LocalImage]?: LocalImage[Key] | undefined;
};
