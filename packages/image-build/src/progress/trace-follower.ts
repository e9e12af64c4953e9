import type { BuildEvent, BuildVertex, EventSink } from "@molecule-ai/core";
import {
  isCancellation,
  isCacheImport,
  isInstruction,
  oneLine,
  type BuildOutcome,
} from "./build-progress.js";
import type { BuildTrace, TraceStatus, TraceVertex } from "./build-trace.js";
import { createStepOutput } from "./step-output.js";

export interface BuildProgressOptions {
  readonly emit: EventSink<BuildEvent>;
  /** Makes untrusted text printable. */
  readonly clean: (text: string) => string;
  readonly tailLines: number;
}

/** Makes events of BuildKit's progress messages, on whatever way they came. */
export interface TraceFollower {
  accept(trace: BuildTrace): void;
  /** There is no more to come. */
  finish(): Pick<BuildOutcome, "failedStep" | "steps" | "cachedSteps">;
}

interface KnownVertex {
  name: string;
  state: "known" | "started" | "completed" | "failed" | "canceled";
  cached: boolean;
  error: string;
}

/** What was last told of a part of a step; there are thousands of messages of each. */
interface KnownStatus {
  /** Cleaned. */
  readonly name: string;
  current: number;
  total: number;
}

/** A Dockerfile of more steps than this is not one; what comes after is not followed. */
const MAX_VERTEXES = 20_000;

export function createTraceFollower(options: BuildProgressOptions): TraceFollower {
  const { emit, clean } = options;
  const vertexes = new Map<string, KnownVertex>();
  const statuses = new Map<string, Map<string, KnownStatus>>();
  let statusCount = 0;
  const output = createStepOutput({
    clean,
    tailLines: options.tailLines,
    onLine: (vertex, stream, line) => emit({ type: "build.log", vertex, stream, line }),
  });

  const announce = (
    vertex: TraceVertex,
    known: KnownVertex,
    status: BuildVertex["status"],
  ): void => {
    const { startedAt, completedAt } = vertex;
    const timed = status !== "started" && startedAt !== undefined && completedAt !== undefined;
    emit({
      type: "build.vertex",
      id: vertex.digest,
      name: oneLine(known.name, clean),
      status,
      ...(timed ? { durationMs: Math.max(0, completedAt - startedAt) } : {}),
      ...(known.error === "" ? {} : { error: oneLine(known.error, clean) }),
    });
  };

  const follow = (vertex: TraceVertex): void => {
    let known = vertexes.get(vertex.digest);
    if (known === undefined) {
      if (vertexes.size >= MAX_VERTEXES) return;
      known = { name: vertex.name, state: "known", cached: false, error: "" };
      vertexes.set(vertex.digest, known);
    }
    // BuildKit tells of a cache hit after it told of the completion.
    if (vertex.cached) known.cached = true;
    if (known.state === "failed" || known.state === "canceled") return;
    if (vertex.startedAt === undefined) return;
    if (known.state === "known" && !vertex.cached) {
      known.state = "started";
      announce({ ...vertex, completedAt: undefined }, known, "started");
    }
    if (vertex.completedAt === undefined) return;
    output.end(vertex.digest);
    if (vertex.error !== "") {
      known.error = vertex.error;
      known.state = isCancellation(vertex.error) ? "canceled" : "failed";
      announce(vertex, known, known.state);
    } else if (known.state !== "completed") {
      known.state = "completed";
      output.drop(vertex.digest);
      announce(vertex, known, vertex.cached ? "cached" : "completed");
    }
  };

  const report = (status: TraceStatus): void => {
    const { id, vertex, current, total } = status;
    let ofVertex = statuses.get(vertex);
    let last = ofVertex?.get(id);
    if (last?.current === current && last.total === total) return;
    if (last === undefined) {
      last = { name: oneLine(status.name === "" ? id : status.name, clean), current, total };
      if (statusCount < MAX_VERTEXES) {
        statusCount += 1;
        if (ofVertex === undefined) statuses.set(vertex, (ofVertex = new Map()));
        ofVertex.set(id, last);
      }
    } else {
      last.current = current;
      last.total = total;
    }
    emit({
      type: "build.status",
      vertex,
      name: last.name,
      current,
      ...(total > 0 ? { total } : {}),
    });
  };

  return {
    accept(trace) {
      for (const vertex of trace.vertexes) follow(vertex);
      for (const status of trace.statuses) report(status);
      for (const log of trace.logs) {
        output.write(log.vertex, log.stream === 2 ? "stderr" : "stdout", log.bytes);
      }
      for (const warning of trace.warnings) {
        emit({
          type: "warning",
          code: "WARN_BUILD_DOCKERFILE",
          message: oneLine(warning.text, clean),
          ...(warning.url === "" ? {} : { hint: oneLine(`See ${warning.url}`, clean) }),
        });
      }
    },
    finish() {
      for (const id of vertexes.keys()) output.end(id);
      const steps = [...vertexes.values()].filter(
        (vertex) => isInstruction(vertex.name) && vertex.state !== "known",
      );
      const failed = [...vertexes].find(
        ([, vertex]) => vertex.state === "failed" && !isCacheImport(vertex.name),
      );
      return {
        failedStep: failed && {
          id: failed[0],
          name: failed[1].name,
          error: failed[1].error,
          lastLines: output.tail(failed[0]),
          output: output.output(failed[0]),
        },
        steps: steps.length,
        cachedSteps: steps.filter((vertex) => vertex.cached).length,
      };
    },
  };
}
