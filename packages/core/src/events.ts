import type { ErrorRecord } from "./errors.js";

/** The units of progress, of deadlines and of timing, in the order they happen. */
export const STAGES = [
  "resolve",
  "head",
  "checkout",
  "build",
  "push",
  "pull",
  "create",
  "seed",
  "start",
  "ready",
] as const;
export type Stage = (typeof STAGES)[number];

/** A stage began. */
export interface StageStarted {
  readonly type: "stage.started";
  readonly stage: Stage;
  /** What it works on, safe to print: a runtime, a repository, an image. */
  readonly subject: string;
}

/** A stage ended well. `outcome` says how: `built`, `cache hit`, `pulled`, `ready` … */
export interface StageFinished {
  readonly type: "stage.finished";
  readonly stage: Stage;
  readonly outcome: string;
  readonly durationMs: number;
}

export interface StageFailed {
  readonly type: "stage.failed";
  readonly stage: Stage;
  readonly durationMs: number;
  readonly error: ErrorRecord;
}

/** Work that was begun was taken back: a container removed, a volume deleted, a checkout dropped. */
export interface Undone {
  readonly type: "undone";
  readonly what: string;
}

/** Something a person should know that did not stop the work. `code` is stable. */
export interface Warning {
  readonly type: "warning";
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** One layer of a pull. Bytes are absent while the registry has not told them. */
export interface PullProgress {
  readonly type: "pull.layer";
  readonly ref: string;
  readonly layer: string;
  readonly status:
    "waiting" | "downloading" | "verifying" | "downloaded" | "extracting" | "complete" | "exists";
  readonly currentBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

/** One layer of a push. Bytes are those of the layer as the engine sends it. */
export interface PushProgress {
  readonly type: "push.layer";
  readonly ref: string;
  readonly layer: string;
  /** `mounted`: the registry takes it from another repository of its own. */
  readonly status: "preparing" | "waiting" | "pushing" | "complete" | "exists" | "mounted";
  readonly currentBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
}

/** A step of a build: BuildKit's vertex, or a `Step n/m` of the classic builder. */
export interface BuildVertex {
  readonly type: "build.vertex";
  /** Stable within the build. */
  readonly id: string;
  /** As BuildKit names it, for example `[2/5] RUN apt-get update`. */
  readonly name: string;
  readonly status: "started" | "completed" | "cached" | "failed" | "canceled";
  readonly durationMs?: number | undefined;
  readonly error?: string | undefined;
}

/** Bytes moved or files done inside a step. */
export interface BuildStatus {
  readonly type: "build.status";
  readonly vertex: string;
  readonly name: string;
  readonly current: number;
  readonly total?: number | undefined;
}

/** Output of a step, one line, control characters removed. */
export interface BuildLog {
  readonly type: "build.log";
  readonly vertex: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
}

/** Another caller already does this work; we wait for its result. */
export interface Joined {
  readonly type: "joined";
  readonly subject: string;
  /** `process` for a caller in this process, `host` for another process. */
  readonly scope: "process" | "host";
}

export type BuildEvent = BuildVertex | BuildStatus | BuildLog | Warning;
export type PullEvent = PullProgress | Warning;
export type PushEvent = PushProgress | Warning;

/** All that can happen between a runtime name and a healthy workspace; plain JSON. */
export type ProvisionEvent =
  | StageStarted
  | StageFinished
  | StageFailed
  | Undone
  | Warning
  | PullProgress
  | PushProgress
  | BuildVertex
  | BuildStatus
  | BuildLog
  | Joined;

/** Receives events as they happen. Must not throw; must not block. */
export type EventSink<E = ProvisionEvent> = (event: E) => void;
