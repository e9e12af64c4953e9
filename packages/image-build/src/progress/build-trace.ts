/**
 * A progress message of BuildKit, as far as we use it: `moby.buildkit.v1.StatusResponse` on the wire
 * of an engine, `SolveStatus` in the rawjson of buildx.
 */
export interface BuildTrace {
  readonly vertexes: readonly TraceVertex[];
  readonly statuses: readonly TraceStatus[];
  readonly logs: readonly TraceLog[];
  readonly warnings: readonly TraceWarning[];
}

/** One step of the build graph. Times are Unix milliseconds. */
export interface TraceVertex {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  readonly startedAt: number | undefined;
  readonly completedAt: number | undefined;
  /** Empty for none. */
  readonly error: string;
}

/** How far one part of a step has come; `total` is 0 when it is not known. */
export interface TraceStatus {
  readonly id: string;
  readonly vertex: string;
  readonly name: string;
  readonly current: number;
  readonly total: number;
}

/** A piece of a step's output, cut anywhere. */
export interface TraceLog {
  readonly vertex: string;
  /** 1 is standard output, 2 standard error. */
  readonly stream: number;
  readonly bytes: Buffer;
}

/** A remark on the Dockerfile; newer engines send them. */
export interface TraceWarning {
  readonly vertex: string;
  readonly text: string;
  readonly url: string;
}
