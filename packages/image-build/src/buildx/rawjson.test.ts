import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSolveStatus } from "./rawjson.js";

describe("an object of rawjson", () => {
  it("is read with the nanoseconds of its times and the bytes of its logs", () => {
    const trace = readSolveStatus({
      vertexes: [
        {
          digest: "sha256:aa",
          name: "[1/2] RUN x",
          started: "2026-11-29T09:55:40.076853007Z",
          completed: "2026-11-29T10:55:41+01:00",
          cached: true,
        },
      ],
      statuses: [{ id: "s", vertex: "sha256:aa", name: "transferring", current: 3, total: 9 }],
      logs: [{ vertex: "sha256:aa", stream: 2, data: "aGkK" }],
      warnings: [{ vertex: "sha256:aa", level: 1, short: "b2xk", url: "https://x/y" }],
    });
    const second = Date.parse("2026-11-29T09:55:40Z");
    expect(trace.vertexes).toEqual([
      {
        digest: "sha256:aa",
        name: "[1/2] RUN x",
        startedAt: second + 76.853007,
        completedAt: second + 1000,
        cached: true,
        error: "",
      },
    ]);
    expect(trace.statuses).toEqual([
      { id: "s", vertex: "sha256:aa", name: "transferring", current: 3, total: 9 },
    ]);
    expect(trace.logs).toEqual([{ vertex: "sha256:aa", stream: 2, bytes: Buffer.from("hi\n") }]);
    expect(trace.warnings).toEqual([{ vertex: "sha256:aa", text: "old", url: "https://x/y" }]);
  });

  it("leaves out what has no name of its own, and never throws", () => {
    expect(
      readSolveStatus({
        vertexes: [{}, null, 1, { digest: 7 }],
        logs: "no",
        statuses: [{ id: "a" }],
      }),
    ).toEqual({ vertexes: [], statuses: [], logs: [], warnings: [] });
    const junk = fc.anything();
    const part = fc.oneof(
      junk,
      fc.array(
        fc.oneof(
          junk,
          fc.dictionary(
            fc.constantFrom("digest", "id", "vertex", "started", "data", "short", "current"),
            junk,
          ),
        ),
      ),
    );
    fc.assert(
      fc.property(
        fc.record({ vertexes: part, statuses: part, logs: part, warnings: part }),
        (value) => {
          readSolveStatus(value);
        },
      ),
    );
  });
});
