import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parseRetryAfter, retryDelay } from "./retry-delay.js";

const NOW = Date.UTC(2026, 5, 1, 12);

describe("parseRetryAfter", () => {
  it("reads seconds", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000 }), (seconds) => {
        expect(parseRetryAfter(` ${seconds} `, NOW)).toBe(seconds * 1000);
      }),
    );
  });

  it("reads an HTTP date as the time from now, never less than none", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), (seconds) => {
        const date = new Date(NOW + seconds * 1000).toUTCString();
        expect(parseRetryAfter(date, NOW)).toBe(Math.max(0, seconds * 1000));
      }),
    );
  });

  it.each([
    undefined,
    "",
    "soon",
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "2026-06-01",
    "12345678901",
    "Xxx, 01 Jun 2026 12:00:00 GMT",
  ])("takes %j for no header", (value) => {
    expect(parseRetryAfter(value, NOW)).toBeUndefined();
  });

  it("gives a whole number of milliseconds or nothing for any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const ms = parseRetryAfter(text, NOW);
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });
});

describe("retryDelay", () => {
  const input = fc.record({
    attempt: fc.nat({ max: 40 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    retryAfterMs: fc.option(fc.nat({ max: 100_000 }), { nil: undefined }),
    longestMs: fc.integer({ min: 1, max: 60_000 }),
  });

  it("is never longer than the longest wait and never shorter than what the server asked for", () => {
    fc.assert(
      fc.property(input, (options) => {
        const delay = retryDelay(options);
        const asked = options.retryAfterMs ?? 0;
        if (asked > options.longestMs) {
          expect(delay).toBeUndefined();
        } else {
          expect(delay).toBeGreaterThanOrEqual(asked);
          expect(delay).toBeLessThanOrEqual(options.longestMs);
        }
      }),
    );
  });

  it("doubles its range with every try and spreads over all of it", () => {
    const most = (attempt: number): number | undefined =>
      retryDelay({ attempt, random: 1, retryAfterMs: undefined, longestMs: 10_000 });
    expect([0, 1, 2, 3, 9].map(most)).toEqual([250, 500, 1000, 2000, 10_000]);
    expect(retryDelay({ attempt: 5, random: 0, retryAfterMs: undefined, longestMs: 9 })).toBe(0);
  });
});
