import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Ctrl-C and its relatives as an abort signal. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts with `ERR_CLI_INTERRUPTED`, and the command cleans up
 * and ends by itself; the second one ends the process at once with exit code 130.
 */
export function listenForInterrupts(onFirst: (signalName: string) => void): Interrupt {
  const controller = new AbortController();
  const listener = (signalName: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    onFirst(signalName);
    controller.abort(
      new CliError("ERR_CLI_INTERRUPTED", `Interrupted by ${signalName}`, {
        details: { signal: signalName },
      }),
    );
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
