const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** The reason of an abort that a person (or a supervisor) asked for. */
export class Interrupted extends Error {
  /** @param {keyof typeof EXIT_CODES} signalName */
  constructor(signalName) {
    super(`interrupted by ${signalName}`);
    this.name = "Interrupted";
    this.exitCode = EXIT_CODES[signalName];
  }
}

/**
 * A signal that aborts on Ctrl-C, SIGTERM or a closed terminal. Later ones only say that the
 * clean-up is under way: cutting it short would leave what it is there to remove.
 * @param {(text: string) => void} say
 */
export function interruptible(say) {
  const controller = new AbortController();
  const handlers = Object.keys(EXIT_CODES).map((name) => {
    const signalName = /** @type {keyof typeof EXIT_CODES} */ (name);
    const handler = () => {
      if (controller.signal.aborted) say("still cleaning up …");
      else {
        say(`${signalName}: stopping and cleaning up …`);
        controller.abort(new Interrupted(signalName));
      }
    };
    process.on(signalName, handler);
    return /** @type {const} */ ([signalName, handler]);
  });
  return {
    signal: controller.signal,
    /** Gives the signals back to the system. */
    release: () => {
      for (const [signalName, handler] of handlers) process.off(signalName, handler);
    },
  };
}
