import type { ProvisionEvent } from "@molecule-ai/core";
import { isImageEvent, noticeOfImageEvent } from "./image-notice.js";
import { redactStrings } from "./json-reporter.js";
import type { Progress } from "./progress.js";
import type { FailureReport, Reporter, Writers } from "./reporter.js";
import type { Style } from "./style.js";

export interface HumanReporterOptions {
  readonly writers: Writers;
  readonly progress: Progress;
  /** Looks of stdout and of stderr: one may be a terminal and the other not. */
  readonly outStyle: Style;
  readonly errStyle: Style;
  readonly redact: (text: string) => string;
}

/** Progress and failures go to stderr, results to stdout, so that a result can be piped. */
export function createHumanReporter(options: HumanReporterOptions): Reporter {
  const { writers, progress } = options;
  return {
    onEvent(event) {
      if (event.type === "output") writers[event.stream](`${event.text}\n`);
      else if (isImageEvent(event)) {
        const notice = noticeOfImageEvent(event);
        if (notice !== undefined) progress.line(options.redact(notice));
      } else progress.onEvent(redactStrings(event, options.redact) as ProvisionEvent);
    },
    note(text) {
      progress.line(options.redact(text));
    },
    endWithResult(_command, result) {
      progress.close();
      const text = result.text(options.outStyle);
      if (text !== "") writers.stdout(`${text}\n`);
    },
    endWithFailure(_command, report) {
      progress.close();
      writers.stderr(`${formatFailure(report, options.errStyle)}\n`);
    },
  };
}

/** The error in one sentence, why, what tools said, the last lines of what failed, and what to do about it. */
export function formatFailure(report: FailureReport, style: Style): string {
  const { error } = report;
  const lines = [`${style.bad("error")} ${error.message} ${style.faint(`(${error.code})`)}`];
  for (const cause of report.causes) lines.push(`  ${style.faint("cause")} ${cause}`);
  for (const text of report.findings) lines.push(`  ${style.bad("-")} ${text}`);
  for (const text of report.lastLines) lines.push(`  ${style.faint("|")} ${text}`);
  if (error.hint !== undefined) lines.push(`  ${style.strong("hint")}  ${error.hint}`);
  return lines.join("\n");
}
