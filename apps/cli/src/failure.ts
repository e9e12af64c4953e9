import { describeFailure, type JsonValue } from "@molecule-ai/core";
import { exitCodeOf } from "./exit-codes.js";
import { findingsOf } from "./findings.js";
import type { FailureReport } from "./output/reporter.js";

const MAX_CAUSES = 4;
const MAX_LAST_LINES = 20;

/** What the run saw before it failed. */
export interface FailureContext {
  readonly undone: readonly string[];
  /** Newest build output, oldest first. */
  readonly buildLines: readonly string[];
  readonly redact: (text: string) => string;
}

/** Any thrown value as what is shown and what the program exits with. */
export function describeFailedCommand(thrown: unknown, context: FailureContext): FailureReport {
  const failure = describeFailure(thrown);
  const { redact } = context;
  const record = failure.toJSON();
  const fromDetails = linesOf(record.details["lastLines"] ?? record.details["logTail"]);
  const lastLines = fromDetails.length > 0 ? fromDetails : context.buildLines;
  return {
    error: {
      ...record,
      message: redact(record.message),
      ...(record.hint === undefined ? {} : { hint: redact(record.hint) }),
    },
    exitCode: exitCodeOf(failure),
    causes: describeCauses(failure.cause, record.message).map(redact),
    findings: findingsOf(record).map(redact),
    lastLines: lastLines.slice(-MAX_LAST_LINES).map(redact),
    undone: context.undone.map(redact),
  };
}

/** Messages along the chain of causes that the message above them does not already contain. */
function describeCauses(first: unknown, message: string): string[] {
  const causes: string[] = [];
  let cause = first;
  let said = message;
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
    const text = cause.message.trim();
    if (text !== "" && !said.includes(text)) {
      causes.push(text);
      said = `${said}\n${text}`;
    }
    cause = cause.cause;
  }
  return causes;
}

function linesOf(value: JsonValue | undefined): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((line): line is string => typeof line === "string");
}
