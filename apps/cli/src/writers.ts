import type { Writers } from "./output/reporter.js";

/** stdout and stderr of this process. */
export interface ProcessWriters extends Writers {
  readonly bytes: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  /** Aborted once the reader of stdout is gone, as after `| head -1`. */
  readonly outputClosed: AbortSignal;
  /** Resolves when everything written so far has left the process. */
  flush(): Promise<void>;
}

/** Writing to a pipe whose reader is gone is no failure: what comes after is dropped. */
export function openWriters(): ProcessWriters {
  const closed = new AbortController();
  process.stdout.on("error", () => {
    closed.abort();
  });
  process.stderr.on("error", () => {
    // Nobody is left to tell.
  });
  return {
    stdout: (text) => {
      process.stdout.write(text);
    },
    stderr: (text) => {
      process.stderr.write(text);
    },
    bytes: (stream, bytes) => {
      process[stream].write(bytes);
    },
    outputClosed: closed.signal,
    async flush() {
      await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
    },
  };
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve();
    else stream.write("", () => resolve());
  });
}
