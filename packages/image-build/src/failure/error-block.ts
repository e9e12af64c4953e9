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

/** Where in the Dockerfile, with the lines around it. */
export interface ErrorBlockLocation {
  readonly file: string;
  readonly line: number;
  readonly excerpt: readonly ExcerptLine[];
}

export interface ExcerptLine {
  readonly line: number;
  readonly text: string;
  /** Part of the instruction that failed. */
  readonly failed: boolean;
}

const RULE = /^-{6}$/;
const STEP = /^ > (.+):$/s;
const LOCATION = /^(\S.{0,499}):(\d{1,7})$/;
const EXCERPT_RULE = /^-{20}$/;
const EXCERPT = /^ {0,7}(\d{1,7}) \| (>>>|   )(?: (.*))?$/s;
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
  let location: { file: string; line: number; excerpt: ExcerptLine[] } | undefined;
  let open: { name: string; lines: string[] } | undefined;
  let inExcerpt = false;
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
      const found: RegExpExecArray | null = inExcerpt ? null : LOCATION.exec(last);
      if (found !== null) {
        location ??= { file: found[1] ?? "", line: Number(found[2]), excerpt: [] };
        inExcerpt = true;
      } else {
        inExcerpt = false;
      }
    } else if (inExcerpt) {
      const found = EXCERPT.exec(line);
      if (found !== null) {
        location?.excerpt.push({
          line: Number(found[1]),
          text: found[3] ?? "",
          failed: found[2] === ">>>",
        });
      }
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

/** The code in `… did not complete successfully: exit code: 2` and `executor failed running …`. */
export function exitCodeOf(text: string): number | undefined {
  const found = /exit code: (\d{1,10})$/.exec(text.slice(-40).trim())?.[1];
  return found === undefined ? undefined : Number(found);
}
