import { StringDecoder } from "node:string_decoder";

export type OutputStream = "stdout" | "stderr";

export interface StepOutputOptions {
  /** Makes untrusted text printable: no control characters, no secrets. Gets whole lines. */
  readonly clean: (text: string) => string;
  readonly onLine: (step: string, stream: OutputStream, line: string) => void;
  /** How many lines {@link StepOutput.tail} keeps. */
  readonly tailLines: number;
}

/** Turns the output of build steps, which comes in pieces, into lines. */
export interface StepOutput {
  write(step: string, stream: OutputStream, bytes: Buffer): void;
  /** A whole line, for builders that tell lines and not bytes. */
  writeLine(step: string, stream: OutputStream, line: string): void;
  /** The step is over: what it left without a newline becomes a line. */
  end(step: string): void;
  /** The last lines of a step, oldest first. */
  tail(step: string): readonly string[];
  /** Like {@link StepOutput.tail}, but of several hundred lines. */
  output(step: string): readonly string[];
  /** Forgets a step. */
  drop(step: string): void;
}

/** Longest line that is passed on, in UTF-16 units. */
export const MAX_LINE_LENGTH = 4096;
/** Enough to find the first error of a step in, below which its tools went on for a while. */
const OUTPUT_LINES = 400;
/** A line is held whole up to here, so that a secret across the cut is still recognised. */
const MAX_HELD_LENGTH = 16 * MAX_LINE_LENGTH;

interface OpenLine {
  readonly decoder: StringDecoder;
  text: string;
  /** The line is over-long already: the rest of it is dropped. */
  full: boolean;
}

export function createStepOutput(options: StepOutputOptions): StepOutput {
  const open = new Map<string, Partial<Record<OutputStream, OpenLine>>>();
  const tails = new Map<string, string[]>();
  const keptLines = Math.max(options.tailLines, OUTPUT_LINES);

  const emit = (step: string, stream: OutputStream, raw: string): void => {
    const line = shorten(options.clean(lastOverprint(raw)));
    let tail = tails.get(step);
    if (tail === undefined) tails.set(step, (tail = []));
    tail.push(line);
    // Not one by one: that would move all the others each time.
    if (tail.length >= 2 * keptLines) tail.splice(0, keptLines);
    options.onLine(step, stream, line);
  };

  const append = (step: string, stream: OutputStream, line: OpenLine, text: string): void => {
    for (let from = 0; ;) {
      const end = text.indexOf("\n", from);
      if (!line.full) line.text += end === -1 ? text.slice(from) : text.slice(from, end);
      if (line.text.length > MAX_HELD_LENGTH) {
        // A progress bar that only returns the carriage is not an endless line.
        line.text = lastOverprint(line.text);
        if (line.text.length > MAX_HELD_LENGTH) {
          line.text = line.text.slice(0, MAX_HELD_LENGTH);
          line.full = true;
        }
      }
      if (end === -1) break;
      emit(step, stream, line.text);
      line.text = "";
      line.full = false;
      from = end + 1;
    }
  };

  return {
    write(step, stream, bytes) {
      let lines = open.get(step);
      if (lines === undefined) open.set(step, (lines = {}));
      const line = (lines[stream] ??= {
        decoder: new StringDecoder("utf8"),
        text: "",
        full: false,
      });
      append(step, stream, line, line.decoder.write(bytes));
    },
    writeLine: (step, stream, line) => emit(step, stream, line.slice(0, MAX_HELD_LENGTH)),
    end(step) {
      for (const stream of ["stdout", "stderr"] as const) {
        const line = open.get(step)?.[stream];
        if (line === undefined) continue;
        append(step, stream, line, line.decoder.end());
        if (line.text !== "") emit(step, stream, line.text);
      }
      open.delete(step);
    },
    tail: (step) =>
      options.tailLines === 0 ? [] : (tails.get(step) ?? []).slice(-options.tailLines),
    output: (step) => (tails.get(step) ?? []).slice(-keptLines),
    drop(step) {
      open.delete(step);
      tails.delete(step);
    },
  };
}

/** What a terminal would show of a line in which the carriage was returned. */
function lastOverprint(text: string): string {
  if (!text.includes("\r")) return text;
  const end = text.endsWith("\r") ? text.length - 1 : text.length;
  return text.slice(text.lastIndexOf("\r", end - 1) + 1, end);
}

function shorten(line: string): string {
  return line.length <= MAX_LINE_LENGTH ? line : `${line.slice(0, MAX_LINE_LENGTH - 1)}…`;
}
