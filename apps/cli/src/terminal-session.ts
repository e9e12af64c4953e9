import type { Readable } from "node:stream";

/** The process's own terminal, lent to a program inside a workspace. */
export interface TerminalSession extends Disposable {
  readonly stdin: Readable;
  /** Tells the program its window size, now and at every change. */
  readonly onResizable: (
    resize: (size: { rows: number; columns: number }) => Promise<void>,
  ) => void;
}

/**
 * Puts the terminal into raw mode: every key, Ctrl-C too, goes to the program inside. Dispose it to
 * get the terminal back.
 */
export function openTerminalSession(): TerminalSession {
  const { stdin, stdout } = process;
  let onResize: (() => void) | undefined;
  stdin.setRawMode(true);
  return {
    stdin,
    onResizable(resize) {
      onResize = () => {
        // The program may have ended between the resize and its telling.
        resize({ rows: stdout.rows, columns: stdout.columns }).catch(() => undefined);
      };
      stdout.on("resize", onResize);
      onResize();
    },
    [Symbol.dispose]() {
      if (onResize !== undefined) stdout.off("resize", onResize);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

/** stdin of this process as it is: a pipe, a file, or a terminal in its usual mode. */
export function processStdin(): Readable {
  return process.stdin;
}
