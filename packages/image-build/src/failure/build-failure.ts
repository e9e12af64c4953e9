import { isProvisionerError, type ProvisionerError } from "@molecule-ai/core";
import { adviseOnStep } from "./build-hints.js";
import type { BuildErrorEntry } from "./build-error-entry.js";
import { findEntries } from "./failure-entries.js";
import { exitCodeOf } from "./error-block.js";
import { withoutPreamble } from "./preamble.js";
import { SYNTAX_HINT } from "./tools/dockerfile.js";
import { REGISTRY_SYMPTOMS } from "./tools/registry.js";
import { hintOf } from "./tools/tool-parser.js";
import {
  oneLine,
  type BuildOutcome,
  type FailedStep,
  type ReportedFailure,
} from "../progress/build-progress.js";
import {
  findBase,
  findClassicStep,
  findStep,
  isSameImage,
  parseStepName,
  type DockerfileInstruction,
  type DockerfileOutline,
} from "../dockerfile/dockerfile-outline.js";
import { ImageBuildError, type BuildFailure } from "../errors.js";

export interface FailureContext {
  readonly backend: "buildkit" | "classic";
  /** Path inside the context. */
  readonly dockerfile: string;
  /** Undefined for a context that was not looked into. */
  readonly outline: DockerfileOutline | undefined;
  /** Why base images could not be pulled before the build, by their names in the Dockerfile. */
  readonly pullFailures: ReadonlyMap<string, unknown>;
  readonly clean: (text: string) => string;
}

/** BuildKit's names of the steps that look for an image: a base, or the frontend of `# syntax=`. */
const BASE_STEP = /^\[internal\] load metadata for (.+)$/s;
const FRONTEND_STEP = /^resolve image config for (.+)$/s;

/**
 * Makes of a failed build the error that says where and why. What failed is told by which step
 * failed; the engine's text only lends the exit code and the line of a syntax error.
 */
export function explainFailure(
  outcome: BuildOutcome & { readonly failure: ReportedFailure },
  context: FailureContext,
): ImageBuildError {
  const { failure, failedStep } = outcome;
  const frontend = failedStep === undefined ? null : FRONTEND_STEP.exec(failedStep.name);
  if (frontend !== null) return explainFrontend(failure, context, frontend[1] ?? "");
  const base = failedStep === undefined ? null : BASE_STEP.exec(failedStep.name);
  if (base !== null) {
    return explainBase(failure, context, failedStep, base[1] ?? "");
  }
  if (failedStep === undefined) {
    return outcome.steps === 0 ? explainSyntax(failure, context) : explainEngine(failure, context);
  }
  const step = parseStepName(failedStep.name);
  if (step !== undefined && /^FROM\b/i.test(step.text)) {
    const reference = step.text
      .split(/\s+/)
      .find((word, index) => index > 0 && !word.startsWith("--"));
    return explainBase(failure, context, failedStep, reference ?? "");
  }
  return explainStep(failure, context, failedStep);
}

function explainStep(
  failure: ReportedFailure,
  context: FailureContext,
  failedStep: FailedStep,
): ImageBuildError {
  const step = parseStepName(failedStep.name);
  const instruction = findInstruction(failedStep, context);
  const exitCode = failure.exitCode ?? exitCodeOf(failedStep.error) ?? exitCodeOf(failure.message);
  const reason = oneLine(
    failedStep.error === "" ? failure.message : failedStep.error,
    context.clean,
  );
  const line = instruction?.line ?? failure.line;
  const entries = entriesOf(context, reason, { failedStep, instruction, line });
  const text = instruction?.text ?? step?.text ?? failedStep.name;
  const what = shorten(oneLine(text, context.clean));
  const result = exitCode === undefined ? `failed: ${reason}` : `failed with exit code ${exitCode}`;
  return new ImageBuildError("ERR_BUILD_FAILED", `${what}${place(context, line)} ${result}`, {
    hint: adviseOnStep({
      keyword: instruction?.keyword ?? step?.text.split(/\s/, 1)[0]?.toUpperCase() ?? "",
      exitCode,
      text: [reason, ...failedStep.lastLines].join("\n"),
      entries,
    }),
    failure: describe(context, { failedStep, instruction, line, exitCode, entries }),
    details: { reason },
  });
}

function explainBase(
  failure: ReportedFailure,
  context: FailureContext,
  failedStep: FailedStep | undefined,
  reference: string,
): ImageBuildError {
  const instruction = context.outline && findBase(context.outline, reference);
  const cause = pullFailure(context, reference);
  const said = cause?.message ?? withoutPreamble(failedStep?.error || failure.message);
  const reason = oneLine(said, context.clean);
  const image = oneLine(reference, context.clean);
  const line = instruction?.line ?? failure.line;
  return new ImageBuildError(
    "ERR_BUILD_BASE_IMAGE",
    `The base image ${image}${place(context, line)} cannot be had: ${reason}`,
    {
      hint: cause?.hint ?? hintOf(REGISTRY_SYMPTOMS, reason) ?? BASE_HINT,
      retryable: cause?.retryable,
      cause,
      failure: describe(context, {
        failedStep,
        instruction,
        line,
        entries: entriesOf(context, reason, { instruction, line }),
      }),
      details: { image, reason },
    },
  );
}

const BASE_HINT =
  "Check its name, tag and platform, and that the engine reaches its registry with the right credentials; or make it locally first.";

function pullFailure(
  { pullFailures }: FailureContext,
  reference: string,
): ProvisionerError | undefined {
  for (const [written, failure] of pullFailures) {
    if (isSameImage(written, reference) && isProvisionerError(failure)) return failure;
  }
  return undefined;
}

function explainFrontend(
  failure: ReportedFailure,
  context: FailureContext,
  reference: string,
): ImageBuildError {
  const image = oneLine(reference, context.clean);
  const cause = pullFailure(context, reference);
  const reason = oneLine(cause?.message ?? withoutPreamble(failure.message), context.clean);
  return new ImageBuildError(
    "ERR_BUILD_BASE_IMAGE",
    `The frontend ${image} that ${context.dockerfile} asks for in its syntax line cannot be had: ${reason}`,
    {
      hint: "Remove the # syntax= line if the engine's own Dockerfile frontend is enough, or let the engine reach that registry.",
      failure: describe(context, { entries: entriesOf(context, reason, {}) }),
      details: { image, reason },
      retryable: cause?.retryable,
      cause,
    },
  );
}

function explainSyntax(
  failure: ReportedFailure,
  context: FailureContext,
  cause?: unknown,
): ImageBuildError {
  const reason = oneLine(withoutPreamble(failure.message), context.clean);
  const line = lineOf(reason, context.outline) ?? failure.line;
  const instruction = context.outline?.instructions.findLast(
    (candidate) => line !== undefined && candidate.line <= line,
  );
  const where = line === undefined ? "" : ` (line ${line})`;
  const entries = entriesOf(context, reason, { instruction, line });
  return new ImageBuildError(
    "ERR_BUILD_SYNTAX",
    `The engine cannot use ${context.dockerfile}${where}: ${reason}`,
    {
      hint: entries.find(({ hint }) => hint !== undefined)?.hint ?? SYNTAX_HINT,
      failure: describe(context, {
        instruction,
        line,
        entries: entries.map((entry) => ({
          ...entry,
          ...(line === undefined ? {} : { file: context.dockerfile, line }),
        })),
      }),
      details: { reason },
      cause,
    },
  );
}

/** The steps went well and then something else did not, such as writing the image. */
function explainEngine(failure: ReportedFailure, context: FailureContext): ImageBuildError {
  const reason = oneLine(failure.message, context.clean);
  const entries = entriesOf(context, reason, {});
  return new ImageBuildError(
    "ERR_BUILD_FAILED",
    `The engine could not finish the build: ${reason}`,
    {
      hint: adviseOnStep({ keyword: "", exitCode: failure.exitCode, text: reason, entries }),
      failure: describe(context, { exitCode: failure.exitCode, entries }),
      details: { reason },
    },
  );
}

/** A Dockerfile that the classic builder refuses before it builds: HTTP 400 and a reason. */
export function explainRefusal(
  reason: string,
  context: FailureContext,
  cause: unknown,
): ImageBuildError {
  return explainSyntax({ message: reason, exitCode: undefined }, context, cause);
}

function findInstruction(
  failedStep: FailedStep,
  { backend, outline }: FailureContext,
): DockerfileInstruction | undefined {
  const step = parseStepName(failedStep.name);
  if (outline === undefined || step === undefined) return undefined;
  return backend === "buildkit" ? findStep(outline, step) : findClassicStep(outline, step);
}

interface FailureFacts {
  readonly failedStep?: FailedStep | undefined;
  readonly instruction?: DockerfileInstruction | undefined;
  readonly line?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly entries: readonly BuildErrorEntry[];
}

function describe(context: FailureContext, facts: FailureFacts): BuildFailure {
  const { failedStep, instruction, exitCode, entries } = facts;
  return {
    dockerfile: context.dockerfile,
    step: failedStep && oneLine(failedStep.name, context.clean),
    instruction: instruction && oneLine(instruction.text, context.clean),
    line: facts.line ?? instruction?.line,
    exitCode,
    lastLines: failedStep?.lastLines ?? [],
    entries,
  };
}

function entriesOf(
  context: FailureContext,
  reason: string,
  { failedStep, instruction, line }: Omit<FailureFacts, "entries">,
): readonly BuildErrorEntry[] {
  return findEntries({
    output: failedStep?.output ?? failedStep?.lastLines ?? [],
    reason,
    clean: context.clean,
    instruction: instruction && oneLine(instruction.text, context.clean),
    dockerfileLine: line ?? instruction?.line,
  });
}

function place(context: FailureContext, line: number | undefined): string {
  return line === undefined ? "" : ` (${context.dockerfile} line ${line})`;
}

function lineOf(reason: string, outline: DockerfileOutline | undefined): number | undefined {
  const line = Number(/\bline (\d{1,7})\b/.exec(reason)?.[1] ?? 0);
  return line >= 1 && line <= (outline?.lines ?? line) ? line : undefined;
}

function shorten(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}
