import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseErrorBlock, reportedByBlock } from "./error-block.js";

/** As newer versions of buildx print it; below 0.10 there is no place in the Dockerfile. */
const NEWER = `------
 > [2/3] RUN make && false:
0.123 building
0.456 make: *** [Makefile:2: all] Error 1
------
Dockerfile:3
--------------------
   1 |     FROM alpine
   2 |     COPY . .
   3 | >>> RUN make \\
   4 | >>>   && false
   5 |     
--------------------
ERROR: failed to solve: process "/bin/sh -c make   && false" did not complete successfully: exit code: 2

View build details: docker-desktop://dashboard/build/x`;

const recorded = (name: string): string[] =>
  readFileSync(
    new URL(`../../test/fixtures/errors/buildx-0.13.1-${name}.txt`, import.meta.url),
    "utf8",
  ).split("\n");

describe("parseErrorBlock", () => {
  it("takes the step, its lines, the place in the Dockerfile and the reason", () => {
    const block = parseErrorBlock(NEWER.split("\n"));
    expect(block).toEqual({
      steps: [
        {
          name: "[2/3] RUN make && false",
          lines: ["building", "make: *** [Makefile:2: all] Error 1"],
        },
      ],
      location: {
        file: "Dockerfile",
        line: 3,
      },
      message:
        'failed to solve: process "/bin/sh -c make   && false" did not complete successfully: exit code: 2',
      exitCode: 2,
    });
    expect(reportedByBlock(block)).toMatchObject({ exitCode: 2, line: 3 });
  });

  it("takes several failed steps, and what stands above for nothing", () => {
    const block = parseErrorBlock(recorded("add-refused"));
    expect(block.steps.map(({ name }) => name)).toEqual([
      "http://127.0.0.1:1/x",
      "[internal] load build context",
    ]);
    expect(block.message).toMatch(/connection refused$/);
  });

  it("keeps a command of several lines in the reason, up to its exit code", () => {
    const { message, exitCode } = parseErrorBlock([
      "ERROR: failed to solve: executor failed running [/bin/sh -c a",
      "b]: exit code: 3",
      "",
      "View build details: x",
    ]);
    expect(message?.split("\n")).toHaveLength(2);
    expect(exitCode).toBe(3);
  });

  it("does not take an error that a step printed for the reason", () => {
    const block = parseErrorBlock(["------", " > [1/1] x:", "ERROR: mine", "------", "ERROR: its"]);
    expect(block.steps[0]?.lines).toEqual(["ERROR: mine"]);
    expect(block.message).toBe("its");
  });

  it("takes any lines", () => {
    const line = fc.oneof(fc.string(), fc.constantFrom(...NEWER.split("\n")));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const block = parseErrorBlock(lines);
        expect(block.location?.line ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
