import { createDeadline, stripControlCharacters } from "@molecule-ai/core";
import type { Buildx, BuildxCall } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";

const STDERR_TAIL_BYTES = 16 * 1024;

/** How a command about builders ended. */
export interface BuilderCommandResult {
  readonly succeeded: boolean;
  readonly stdout: string;
  /** The error of buildx, one line, safe to print; empty when it said nothing. */
  readonly complaint: string;
  /** It knows no builder of the name it was asked for. */
  readonly isUnknown: boolean;
}

/**
 * Runs one command about builders. It ends after `timeoutMs` with `ERR_DEADLINE`: buildx itself waits
 * without end for a daemon that takes the connection and never answers.
 */
export async function runBuilderCommand(
  buildx: Buildx,
  call: Pick<BuildxCall, "args" | "signal"> & {
    readonly what: string;
    readonly timeoutMs: number;
  },
): Promise<BuilderCommandResult> {
  using deadline = createDeadline({
    what: call.what,
    timeoutMs: call.timeoutMs,
    kind: "total",
    signal: call.signal,
  });
  const outcome = await buildx.run({
    args: call.args,
    signal: deadline.signal,
    stderrTailBytes: STDERR_TAIL_BYTES,
  });
  const succeeded = outcome.kind === "exited";
  return {
    succeeded,
    stdout: outcome.stdout.toString("utf8"),
    complaint: complaintOf(outcome.stderr),
    isUnknown:
      !succeeded && /^(?:ERROR|failed to remove \S+): no builder ".*" found$/m.test(outcome.stderr),
  };
}

/** Names become arguments: none may look like an option. Throws `ERR_BUILDER`. */
export function checkBuilderName(name: string): void {
  if (/^[A-Za-z0-9][\w.-]{0,127}$/.test(name)) return;
  throw new ImageBuildError(
    "ERR_BUILDER",
    `${JSON.stringify(name.slice(0, 80))} cannot be the name of a builder.`,
    { hint: "Use letters, digits, dots, dashes and underscores." },
  );
}

/** The reason why a builder was not removed, the last `ERROR:`, or the last line that says anything. */
function complaintOf(stderr: string): string {
  const lines = stripControlCharacters(stderr)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^-+$/.test(line));
  const told =
    lines.find((line) => line.startsWith("failed to remove ")) ??
    lines.findLast((line) => line.startsWith("ERROR: "))?.slice("ERROR: ".length);
  return (told ?? lines.at(-1) ?? "").replace(/\.$/, "").slice(0, 1000);
}
