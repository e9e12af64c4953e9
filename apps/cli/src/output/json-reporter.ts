import type { Reporter } from "./reporter.js";

/**
 * One JSON object per line on stdout: every event as it happens, then `result` or `error`, and
 * nothing else; stderr stays empty.
 */
export function createJsonReporter(options: {
  readonly write: (text: string) => void;
  /** Applied to every string before it is printed. */
  readonly redact: (text: string) => string;
}): Reporter {
  const print = (value: object): void => {
    options.write(`${JSON.stringify(redactStrings(value, options.redact))}\n`);
  };
  return {
    onEvent: print,
    note() {
      // For people.
    },
    endWithResult(command, result) {
      const { exitCode } = result;
      print({
        type: "result",
        command,
        ...(exitCode === undefined ? {} : { exitCode }),
        ...result.data,
      });
    },
    endWithFailure(command, { error, exitCode, causes, lastLines, undone }) {
      print({ type: "error", command, ...error, exitCode, causes, lastLines, undone });
    },
  };
}

/** A copy with every string value redacted; keys, numbers and shapes stay. */
export function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, redactStrings(item, redact)]),
    );
  }
  return value;
}
