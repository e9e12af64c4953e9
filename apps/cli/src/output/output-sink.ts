import { stripControlCharacters } from "@molecule-ai/core";
import { StringDecoder } from "node:string_decoder";
import type { OutputEvent } from "./reporter.js";

type StreamName = OutputEvent["stream"];

/** A line longer than this is handed on in pieces. */
const LONGEST_LINE = 64 * 1024;

/** Takes what a workspace's process writes, in whatever pieces it comes. */
export interface OutputSink {
  write(stream: StreamName, bytes: Uint8Array): void;
  /** Hands on what is left of an unfinished last line. */
  end(): void;
}

/** Byte for byte: for pipes, files and terminal sessions. */
export function createRawSink(write: (stream: StreamName, bytes: Uint8Array) => void): OutputSink {
  return {
    write,
    end() {
      // Nothing is kept back.
    },
  };
}

/** One call of `onLine` per line, without its end; invalid UTF-8 becomes replacement characters. */
export function createLineSink(onLine: (stream: StreamName, line: string) => void): OutputSink {
  const states = {
    stdout: { decoder: new StringDecoder("utf8"), rest: "" },
    stderr: { decoder: new StringDecoder("utf8"), rest: "" },
  };
  const take = (stream: StreamName, text: string): void => {
    const state = states[stream];
    const lines = (state.rest + text).split("\n");
    state.rest = lines.pop() ?? "";
    for (const line of lines) onLine(stream, line.replace(/\r$/, ""));
    while (state.rest.length > LONGEST_LINE) {
      onLine(stream, state.rest.slice(0, LONGEST_LINE));
      state.rest = state.rest.slice(LONGEST_LINE);
    }
  };
  return {
    write(stream, bytes) {
      take(stream, states[stream].decoder.write(Buffer.from(bytes)));
    },
    end() {
      for (const stream of ["stdout", "stderr"] as const) {
        take(stream, states[stream].decoder.end());
        const { rest } = states[stream];
        if (rest !== "") onLine(stream, rest);
        states[stream].rest = "";
      }
    },
  };
}

/** Lines for a terminal: what a workspace prints cannot move its cursor or set its title. */
export function createTerminalSink(write: (stream: StreamName, text: string) => void): OutputSink {
  return createLineSink((stream, line) => {
    write(stream, `${stripControlCharacters(line)}\n`);
  });
}
