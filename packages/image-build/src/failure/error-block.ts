import type { ReportedFailure } from "../progress/build-progress.js";
import { stripLogPrefix } from "./log-prefix.js";

/** What buildx prints below its progress when a build failed, taken apart. Not cleaned. */
export interface ErrorBlock {
  /** The steps that failed and what they printed last, prefixes removed. */
  readonly steps: readonly ErrorBlockStep[];
  readonly location: ErrorBlockLocation | undefined;
  /** What follows `ERROR: `; undefined when there is no such line. */
  readonly message: string | undefined;
  readonly exitCode: number | undefined;
}

export interface ErrorBlockStep {
  /** `[2/3] RUN make`. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** The first line of the instruction that failed. */
export interface ErrorBlockLocation {
  readonly file: string;
  readonly line: number;
}

const RULE = /^-{6}$/;
const STEP = /^ > (.+):$/s;
const LOCATION = /^(\S.{0,499}):(\d{1,7})$/;
const EXCERPT_RULE = /^-{20}$/;
const ERROR = /^(?:ERROR|error): (.*)$/s;
/** What newer versions print below the error. */
const AFTER_ERROR = /^(?:View build details: |\s*$)/;

const MAX_STEPS = 20;
const MAX_MESSAGE_LINES = 20;

/**
 * Reads the lines that begin with the first `------`; lines above it, and any it does not know, are
 * passed over. Linear, never throws.
 */
export function parseErrorBlock(lines: readonly string[]): ErrorBlock {
  const steps: { name: string; lines: string[] }[] = [];
  let location: ErrorBlockLocation | undefined;
  let open: { name: string; lines: string[] } | undefined;
  let message: string[] | undefined;
  let last = "";

  for (const line of lines) {
    const error = ERROR.exec(line);
    if (error !== null && open === undefined) {
      message = [error[1] ?? ""];
    } else if (message !== undefined) {
      if (AFTER_ERROR.test(line) || message.length >= MAX_MESSAGE_LINES) break;
      message.push(line);
    } else if (RULE.test(line)) {
      open = undefined;
    } else if (RULE.test(last) && STEP.test(line) && steps.length < MAX_STEPS) {
      open = { name: STEP.exec(line)?.[1] ?? "", lines: [] };
      steps.push(open);
    } else if (open !== undefined) {
      open.lines.push(stripLogPrefix(line));
    } else if (EXCERPT_RULE.test(line)) {
      const found = LOCATION.exec(last);
      if (found !== null) location ??= { file: found[1] ?? "", line: Number(found[2]) };
    }
    last = line;
  }
  const said = message?.join("\n");
  return {
    steps,
    location,
    message: said,
    exitCode: said === undefined ? undefined : exitCodeOf(said),
  };
}

/** The failure a block tells of; undefined when there is none in it. */
export function reportedByBlock(block: ErrorBlock): ReportedFailure | undefined {
  const { message, exitCode, location } = block;
  if (message === undefined) return undefined;
  return { message, exitCode, ...(location === undefined ? {} : { line: location.line }) };
}

/** The code in `… did not complete successfully: exit code: 2` and `executor failed running …`. */
export function exitCodeOf(text: string): number | undefined {
  const found = /exit code: (\d{1,10})$/.exec(text.slice(-40).trim())?.[1];
  return found === undefined ? undefined : Number(found);
}
