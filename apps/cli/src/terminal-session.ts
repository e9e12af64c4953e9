import { addAbortSignal, type Readable } from "node:stream";
import { CliError } from "./errors.js";

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

/** All of stdin as text; more than `maxBytes` is `ERR_CLI_FILE_TOO_LARGE`. */
export async function readStdin(options: {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of addAbortSignal(options.signal, processStdin())) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
    if (bytes > options.maxBytes) {
      throw new CliError(
        "ERR_CLI_FILE_TOO_LARGE",
        `stdin holds more than ${options.maxBytes} bytes`,
        {
          hint: "Give a smaller input.",
        },
      );
    }
  }
  return Buffer.concat(chunks).toString("utf8");
}

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const CTRL_U = "\u0015";
const BACKSPACE = /^[\b\u007f]$/;

/** Asks on stderr for a line that is not shown while it is typed. Needs a terminal on stdin. */
export async function readHiddenLine(
  question: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  const { signal } = options;
  const { stdin, stderr } = process;
  signal.throwIfAborted();
  // Before it asks: who answers at once must not see the answer on the screen.
  stdin.setRawMode(true);
  stderr.write(question);
  stdin.setEncoding("utf8");
  let onAbort: (() => void) | undefined;
  let onData: ((text: string) => void) | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      let line = "";
      onAbort = () => {
        reject(signal.reason as Error);
      };
      onData = (text) => {
        for (const key of text) {
          if (key === "\r" || key === "\n" || key === CTRL_D) {
            resolve(line);
            return;
          }
          // In raw mode Ctrl-C is a key like any other.
          if (key === CTRL_C) process.kill(process.pid, "SIGINT");
          else if (key === CTRL_U) line = "";
          else if (BACKSPACE.test(key)) line = line.slice(0, -1);
          else line += key;
        }
      };
      signal.addEventListener("abort", onAbort, { once: true });
      stdin.on("data", onData);
      stdin.resume();
    });
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
    if (onData !== undefined) stdin.off("data", onData);
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
