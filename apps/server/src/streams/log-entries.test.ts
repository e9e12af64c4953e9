import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entriesAfter, type LogEntry } from "./log-entries.js";

const START = Date.parse("2026-01-01T00:00:00.000Z");

/** A line written so many milliseconds after the start. */
function entryAt(ms: number, line = `at ${ms}`): LogEntry {
  const at = new Date(START + ms).toISOString().replace("Z", "000000Z");
  return { at, nth: 0, stream: "stdout", line };
}

async function resume(log: readonly LogEntry[], place: LogEntry): Promise<LogEntry[]> {
  const rest: LogEntry[] = [];
  for await (const entry of entriesAfter(streamOf(log), place)) rest.push(entry);
  return rest;
}

async function* streamOf(
  log: readonly LogEntry[],
  end: Promise<void> = Promise.resolve(),
): AsyncGenerator<LogEntry> {
  yield* log;
  await end;
}

const never = new Promise<void>(() => undefined);

describe("entriesAfter", () => {
  it("repeats and loses nothing where the two streams are out of order", async () => {
    const lines = fc.uniqueArray(fc.record({ ms: fc.nat(2000), delay: fc.nat(50) }), {
      selector: ({ ms }) => ms,
      minLength: 1,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(lines, fc.nat(), async (written, pick) => {
        // The engine takes the moment of a line before it has its turn to write it.
        const log = written
          .toSorted((a, b) => a.ms + a.delay - b.ms - b.delay)
          .map(({ ms }) => entryAt(ms));
        const n = pick % log.length;
        const place = log[n] ?? entryAt(0);
        expect(await resume(log, place)).toEqual(log.slice(n + 1));
      }),
    );
  });

  it("begins with everything later when the place is gone", async () => {
    const place = entryAt(1000);
    const early = entryAt(990);
    const later = [entryAt(1010), entryAt(1020)];
    expect(await resume([early, ...later], place)).toEqual(later);
    expect(await resume([...later, entryAt(5000)], place)).toEqual([...later, entryAt(5000)]);
  });

  it("does not wait for a place that cannot come any more", async () => {
    const place = entryAt(1000);
    const log = [entryAt(1001), entryAt(1102)];
    const output = entriesAfter(streamOf(log, never), place);
    expect(await output.next()).toEqual({ done: false, value: log[0] });
    expect(await output.next()).toEqual({ done: false, value: log[1] });
  });

  it("holds no more than a thousand lines", async () => {
    const place = entryAt(1000);
    const log = Array.from({ length: 1001 }, (_, n) => entryAt(1001, String(n)));
    const output = entriesAfter(streamOf(log, never), place);
    for (const value of log) expect(await output.next()).toEqual({ done: false, value });
  });
});
