import { z } from "zod";
import { ImageBuildError } from "../errors.js";

/** What a check of a Dockerfile remarks. */
export interface CheckFinding {
  /** Name of the rule, `FromAsCasing`. */
  readonly rule: string;
  readonly description: string;
  /** About this very place. */
  readonly detail: string;
  readonly url: string | undefined;
  /** From 1; undefined for a finding without a place. */
  readonly line: number | undefined;
}

const MAX_FINDINGS = 10_000;

const place = z.object({
  ranges: z
    .array(z.object({ start: z.object({ line: z.number().int().nonnegative().default(0) }) }))
    .nullish(),
});
const report = z.object({
  warnings: z
    .array(
      z.object({
        ruleName: z.string(),
        description: z.string().default(""),
        detail: z.string().default(""),
        url: z.string().default(""),
        location: place.nullish(),
      }),
    )
    .nullish(),
  buildError: z.object({ message: z.string(), location: place.nullish() }).nullish(),
});

export interface CheckReport {
  readonly findings: readonly CheckFinding[];
  /** Why the Dockerfile cannot be built at all. */
  readonly error: { readonly message: string; readonly line: number | undefined } | undefined;
}

/**
 * Reads what `--call=check,format=json` prints: `LintResults` of
 * https://github.com/moby/buildkit/blob/v0.14.0/frontend/subrequests/lint/lint.go.
 * Throws `ERR_BUILDX_FAILED` for anything else.
 */
export function parseCheckReport(text: string): CheckReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable(cause);
  }
  const found = report.safeParse(value);
  if (!found.success) throw unreadable(found.error);
  const { warnings, buildError } = found.data;
  return {
    findings: (warnings ?? []).slice(0, MAX_FINDINGS).map((warning) => ({
      rule: warning.ruleName,
      description: warning.description,
      detail: warning.detail,
      url: warning.url === "" ? undefined : warning.url,
      line: lineOf(warning.location),
    })),
    error: buildError
      ? { message: buildError.message, line: lineOf(buildError.location) }
      : undefined,
  };
}

function lineOf(location: z.infer<typeof place> | null | undefined): number | undefined {
  return location?.ranges?.[0]?.start.line || undefined;
}

function unreadable(cause: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILDX_FAILED",
    "The report of the check of a Dockerfile cannot be read.",
    { hint: "Check the version of buildx: 0.15 or newer is needed.", cause },
  );
}
