import { createDeadline, createRedactor, type Redactor } from "@molecule-ai/core";
import type { BuildBackend } from "../backends/backend.js";
import { prepareUpload } from "../context/context-upload.js";
import { ImageBuildError } from "../errors.js";
import type { BuildOptions } from "../image-builder.js";
import { checkOptions, DEFAULT_DOCKERFILE, resolveLimits } from "../options.js";
import { oneLine } from "../progress/build-progress.js";
import { buildxCheckArgs, formatGitContext } from "./build-args.js";
import { explainBuildxFailure } from "./buildx-failure.js";
import type { Buildx } from "./buildx.js";
import { parseCheckReport, type CheckReport } from "./check-report.js";
import { createRawjsonProgress } from "./rawjson-progress.js";

export interface CheckBuildOptions {
  readonly buildx: Buildx;
  readonly backend: BuildBackend;
  /** Of the build that is looked at; nothing of it is built. */
  readonly request: BuildOptions;
  readonly redactor?: Redactor | undefined;
}

/**
 * Has BuildKit's own rules look at a Dockerfile and the options of its build; nothing is built.
 * Findings are a result and not an error.
 *
 * Throws `ERR_BUILD_BACKEND` for a backend that has no checks, and what a build throws for its
 * context, its builder and its deadlines.
 */
export async function checkBuild(options: CheckBuildOptions): Promise<CheckReport> {
  const { buildx, backend, request, redactor = createRedactor() } = options;
  const clean = (text: string): string => redactor.redact(text);
  checkOptions(request);
  const limits = resolveLimits(request.limits);
  const subject = clean(`Check of ${request.tags[0] ?? ""}`);
  if (!backend.capabilities.check) {
    throw new ImageBuildError(
      "ERR_BUILD_BACKEND",
      `${subject}: the builder ${backend.builder ?? ""} has no checks.`,
      { hint: "buildx 0.15 and BuildKit 0.14, or newer ones, have them." },
    );
  }
  using idle = createDeadline({
    what: subject,
    timeoutMs: limits.idleTimeoutMs,
    signal: request.signal,
  });
  const { signal } = idle;
  const silent = (): undefined => undefined;
  const upload =
    request.context.kind === "git"
      ? undefined
      : await prepareUpload({
          options: request,
          limits,
          now: () => 0,
          signal,
          emit: silent,
          onProgress: () => idle.progress(),
        });
  try {
    const progress = createRawjsonProgress({ emit: silent, clean, tailLines: 20 });
    const ended = await buildx.run({
      args: buildxCheckArgs({
        options: request,
        context: request.context.kind === "git" ? formatGitContext(request.context) : "-",
        builder: backend.builder,
        progress: "rawjson",
        dockerfile: upload?.dockerfile ?? request.dockerfile,
      }),
      stdin: upload?.body,
      onStderr: (chunk) => progress.accept(chunk),
      onOutput: () => idle.progress(),
      signal,
    });
    const report = ended.stdout.toString("utf8").trim();
    // It ends with exit code 1 when there are findings.
    if (report.startsWith("{")) return cleaned(parseCheckReport(report), clean);
    if (upload?.failure !== undefined) throw upload.failure;
    throw explainBuildxFailure({
      outcome: progress.finish(),
      status: ended.kind === "failed" ? ended.status : "no report",
      stderr: ended.stderr,
      subject,
      tags: request.tags,
      backend,
      dockerfile: upload?.dockerfile ?? request.dockerfile ?? DEFAULT_DOCKERFILE,
      outline: upload?.outline,
      clean,
    });
  } finally {
    upload?.body.destroy();
  }
}

function cleaned(report: CheckReport, clean: (text: string) => string): CheckReport {
  return {
    findings: report.findings.map((finding) => ({
      ...finding,
      rule: oneLine(finding.rule, clean),
      description: oneLine(finding.description, clean),
      detail: oneLine(finding.detail, clean),
    })),
    error: report.error && {
      ...report.error,
      message: oneLine(report.error.message, clean),
    },
  };
}
