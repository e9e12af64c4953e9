import type { BuildEvent, BuildVertex, EventSink } from "@molecule-ai/core";
import {
  auxImageId,
  oneLine,
  reportedFailure,
  type BuildProgress,
  type FailedStep,
  type ReportedFailure,
} from "../progress/build-progress.js";
import { parseStepName } from "../dockerfile/dockerfile-outline.js";
import { ImageBuildError } from "../errors.js";
import { createStepOutput } from "../progress/step-output.js";
import { decodeTrace, type TraceStatus, type TraceVertex } from "./trace.js";

export interface BuildProgressOptions {
  readonly emit: EventSink<BuildEvent>;
  /** Makes untrusted text printable. */
  readonly clean: (text: string) => string;
  readonly tailLines: number;
}

interface KnownVertex {
  name: string;
  state: "known" | "started" | "completed" | "failed" | "canceled";
  cached: boolean;
  error: string;
}

/** A Dockerfile of more steps than this is not one; what comes after is not followed. */
const MAX_VERTEXES = 20_000;

/** Follows a build of BuildKit: its trace messages, the image id, the failure. */
export function createBuildkitProgress(options: BuildProgressOptions): BuildProgress {
  const { emit, clean } = options;
  const vertexes = new Map<string, KnownVertex>();
  const statuses = new Map<string, string>();
  let imageId: string | undefined;
  let failure: ReportedFailure | undefined;
  let unreadable = false;
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
    const key = `${status.vertex} ${status.id}`;
    const value = `${status.current}/${status.total}`;
    if (statuses.get(key) === value) return;
    if (statuses.size < MAX_VERTEXES || statuses.has(key)) statuses.set(key, value);
    emit({
      type: "build.status",
      vertex: status.vertex,
      name: oneLine(status.name === "" ? status.id : status.name, clean),
      current: status.current,
      ...(status.total > 0 ? { total: status.total } : {}),
    });
  };

  const acceptTrace = (aux: string): void => {
    const trace = decodeTrace(Buffer.from(aux, "base64"));
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
  };

  return {
    accept(message) {
      if (typeof message !== "object" || message === null) return;
      failure = reportedFailure(message) ?? failure;
      const { id, aux } = message as { id?: unknown; aux?: unknown };
      if (id === "moby.image.id") {
        imageId = auxImageId(aux) ?? imageId;
      } else if (id === "moby.buildkit.trace" && typeof aux === "string") {
        try {
          acceptTrace(aux);
        } catch (error) {
          if (!(error instanceof ImageBuildError)) throw error;
          // The result does not depend on what could not be shown.
          if (!unreadable)
            emit({
              type: "warning",
              code: "WARN_BUILD_TRACE",
              message: error.message,
              hint: error.hint,
            });
          unreadable = true;
        }
      }
    },
    finish() {
      for (const id of vertexes.keys()) output.end(id);
      const steps = [...vertexes.values()].filter(
        (vertex) => isInstruction(vertex.name) && vertex.state !== "known",
      );
      let failedStep: FailedStep | undefined;
      for (const [id, vertex] of vertexes) {
        if (vertex.state !== "failed") continue;
        failedStep = { id, name: vertex.name, error: vertex.error, lastLines: output.tail(id) };
        break;
      }
      return {
        imageId,
        failure,
        failedStep,
        steps: steps.length,
        cachedSteps: steps.filter((vertex) => vertex.cached).length,
      };
    },
  };
}

/** The steps that BuildKit stopped because another one failed, or because it was told to. */
function isCancellation(error: string): boolean {
  return error.endsWith("context canceled");
}

function isInstruction(name: string): boolean {
  const step = parseStepName(name);
  return step !== undefined && !/^FROM\b/i.test(step.text);
}
