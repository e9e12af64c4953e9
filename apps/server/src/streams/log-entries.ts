import { stripControlCharacters } from "@molecule-ai/core";
import type { LogLine } from "@molecule-ai/provisioner-core";

/** One line an agent wrote. */
export interface LogEntry {
  /** When, with all the digits the engine gave, so that it tells lines apart; "" when it gave none. */
  readonly at: string;
  /** How many lines before it have the same moment. */
  readonly nth: number;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
}

/** The place of an entry in a log: `<moment>` or `<moment>~<nth>`. */
export interface LogPlace {
  readonly at: string;
  readonly nth: number;
}

/** Lines further apart than this are in order. */
export const LOG_DISORDER_MS = 100;
const MOST_HELD = 1000;
const LONGEST_LINE_BYTES = 16 * 1024;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

export function formatLogPlace({ at, nth }: LogPlace): string {
  return nth === 0 ? at : `${at}~${nth}`;
}

/** Undefined for what is no place in a log. */
export function parseLogPlace(text: string): LogPlace | undefined {
  const [, at = "", nth = "0"] = /^([^~]{1,40})(?:~(\d{1,9}))?$/.exec(text) ?? [];
  return MOMENT.test(at) && !Number.isNaN(Date.parse(at)) ? { at, nth: Number(nth) } : undefined;
}

/**
 * Output with timestamps, however it is cut into chunks, as lines: control characters gone, what is
 * longer than 16 KiB cut.
 */
export async function* readLogEntries(output: AsyncIterable<LogLine>): AsyncGenerator<LogEntry> {
  const pending = { stdout: createLineCutter(), stderr: createLineCutter() };
  let last: LogPlace = { at: "", nth: -1 };
  const toEntry = (stream: "stdout" | "stderr", bytes: Buffer): LogEntry => {
    const text = bytes.toString("utf8");
    const space = text.indexOf(" ");
    const first = space === -1 ? text : text.slice(0, space);
    const at = MOMENT.test(first) ? first : "";
    const line = at === "" ? text : space === -1 ? "" : text.slice(space + 1);
    last = { at, nth: last.at === at ? last.nth + 1 : 0 };
    return { ...last, stream, line: stripControlCharacters(line).replaceAll("\n", " ") };
  };
  for await (const { stream, bytes } of output) {
    for (const line of pending[stream].push(bytes)) yield toEntry(stream, line);
  }
  for (const stream of ["stdout", "stderr"] as const) {
    for (const line of pending[stream].end()) yield toEntry(stream, line);
  }
}

/**
 * What comes after a place in a log that is read again from {@link LOG_DISORDER_MS} or more before
 * it. The place itself may be gone; then everything later than it comes.
 *
 * The engine takes the moment of a line before it has its turn to write it, so lines of the two
 * streams may be a little out of order: a line just later than the place may stand before it.
 */
export async function* entriesAfter(
  entries: AsyncIterable<LogEntry>,
  place: LogPlace,
): AsyncGenerator<LogEntry> {
  const placeMs = Date.parse(place.at);
  const held: LogEntry[] = [];
  let isPast = false;
  for await (const entry of entries) {
    if (isPast) {
      yield entry;
      continue;
    }
    const isPlace = entry.at === place.at && entry.nth === place.nth;
    // What stands before the place was sent before it.
    if (isPlace) held.length = 0;
    else if (entry.at > place.at || (entry.at === place.at && entry.nth > place.nth)) {
      held.push(entry);
    }
    const isGone = held.length > MOST_HELD || Date.parse(entry.at) - placeMs > LOG_DISORDER_MS;
    if (isGone) yield* held.splice(0);
    isPast = isPlace || isGone;
  }
  yield* held;
}

interface LineCutter {
  push(bytes: Buffer): Buffer[];
  end(): Buffer[];
}

function createLineCutter(): LineCutter {
  let parts: Buffer[] = [];
  let length = 0;
  const keep = (bytes: Buffer): void => {
    const room = LONGEST_LINE_BYTES - length;
    if (room <= 0 || bytes.length === 0) return;
    parts.push(bytes.subarray(0, room));
    length += Math.min(bytes.length, room);
  };
  const take = (): Buffer => {
    const line = Buffer.concat(parts);
    parts = [];
    length = 0;
    return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  };
  return {
    push(bytes) {
      const lines: Buffer[] = [];
      let from = 0;
      for (;;) {
        const end = bytes.indexOf(0x0a, from);
        if (end === -1) break;
        keep(bytes.subarray(from, end));
        lines.push(take());
        from = end + 1;
      }
      keep(bytes.subarray(from));
      return lines;
    },
    end: () => (length === 0 ? [] : [take()]),
  };
}
