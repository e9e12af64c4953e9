import {
  auxImageId,
  oneLine,
  reportedFailure,
  type BuildProgress,
  type FailedStep,
  type ReportedFailure,
} from "../progress/build-progress.js";
import type { BuildProgressOptions } from "../progress/trace-follower.js";
import { createStepOutput } from "../progress/step-output.js";

/** `Step 2/5 : RUN x` of Docker, `STEP 2/5: RUN x` of Podman. */
const STEP = /^step (\d{1,6})\/(\d{1,6}) ?: (.*)$/is;
/** ` ---> Using cache`, ` ---> Running in 0123abcd`, ` ---> 0123abcd`. */
const ARROW = /^ *-+> (.*)$/s;
const RESULT = /^Successfully built ([0-9a-f]{12,64})\s*$/;
const REMOVED = /^ *-*>? ?Removed intermediate container|^Removing intermediate container /;
/** That builder paints standard error red. */
const RED = "\u001b[91m";
const RESET = "\u001b[0m";

interface OpenStep {
  readonly id: string;
  readonly name: string;
  readonly startedAt: number;
  readonly from: boolean;
  cached: boolean;
  /** A container runs, so text is its output and not the builder's. */
  running: boolean;
}

/**
 * Follows a build of the classic builder, which tells everything as text. Only names and progress
 * are taken from it: the image id and the failure come in fields of their own.
 */
export function createClassicProgress(
  options: BuildProgressOptions & { readonly now: () => number },
): BuildProgress {
  const { emit, clean } = options;
  let step: OpenStep | undefined;
  let steps = 0;
  let cachedSteps = 0;
  let imageId: string | undefined;
  let shortId: string | undefined;
  let failure: ReportedFailure | undefined;
  const output = createStepOutput({
    clean,
    tailLines: options.tailLines,
    onLine: (vertex, stream, line) => emit({ type: "build.log", vertex, stream, line }),
  });

  const close = (status: "completed" | "failed", error?: string): FailedStep | undefined => {
    if (step === undefined) return undefined;
    const { id, name } = step;
    output.end(id);
    const lastLines = output.tail(id);
    const printed = output.output(id);
    output.drop(id);
    emit({
      type: "build.vertex",
      id,
      name: oneLine(name, clean),
      status: status === "completed" && step.cached ? "cached" : status,
      durationMs: Math.max(0, options.now() - step.startedAt),
      ...(error === undefined ? {} : { error: oneLine(error, clean) }),
    });
    if (!step.from) {
      steps += 1;
      if (step.cached) cachedSteps += 1;
    }
    step = undefined;
    return { id, name, error: error ?? "", lastLines, output: printed };
  };

  const open = (index: string, total: string, text: string): void => {
    close("completed");
    step = {
      id: `step-${index}`,
      name: `[${index}/${total}] ${text.trim()}`,
      startedAt: options.now(),
      from: /^FROM\b/i.test(text),
      cached: false,
      running: false,
    };
    emit({ type: "build.vertex", id: step.id, name: oneLine(step.name, clean), status: "started" });
  };

  const acceptText = (text: string): void => {
    const found = STEP.exec(text);
    if (found !== null) {
      const [, index = "", total = "", instruction = ""] = found;
      open(index, total, instruction);
      return;
    }
    const arrow = ARROW.exec(text)?.[1]?.trim();
    if (step !== undefined && arrow !== undefined) {
      if (/^using cache/i.test(arrow)) step.cached = true;
      step.running = arrow.startsWith("Running in ");
      return;
    }
    shortId = RESULT.exec(text)?.[1] ?? shortId;
    if (step?.running !== true || REMOVED.test(text)) return;
    if (text.startsWith(RED)) {
      const end = text.endsWith(RESET) ? -RESET.length : undefined;
      output.write(step.id, "stderr", Buffer.from(text.slice(RED.length, end)));
    } else {
      output.write(step.id, "stdout", Buffer.from(text));
    }
  };

  return {
    accept(message) {
      if (typeof message !== "object" || message === null) return;
      failure = reportedFailure(message) ?? failure;
      const { stream, aux, status, id, progressDetail } = message as Record<string, unknown>;
      imageId = auxImageId(aux) ?? imageId;
      if (typeof stream === "string") acceptText(stream);
      if (step !== undefined && typeof status === "string") {
        const { current, total } = (progressDetail ?? {}) as { current?: unknown; total?: unknown };
        emit({
          type: "build.status",
          vertex: step.id,
          name: oneLine(typeof id === "string" ? `${id}: ${status}` : status, clean),
          current: typeof current === "number" ? current : 0,
          ...(typeof total === "number" && total > 0 ? { total } : {}),
        });
      }
    },
    finish() {
      const failedStep =
        failure === undefined ? void close("completed") : close("failed", failure.message);
      return { imageId: imageId ?? shortId, failure, failedStep, steps, cachedSteps };
    },
  };
}
