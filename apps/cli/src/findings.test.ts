import type { JsonValue } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findingsOf } from "./findings.js";

const of = (entries: JsonValue, message = "RUN x failed"): readonly string[] =>
  findingsOf({
    name: "ImageBuildError",
    code: "ERR_BUILD_FAILED",
    message,
    retryable: false,
    details: { entries },
  });

describe("findingsOf", () => {
  it("puts each entry on a line with its place, or its tool where there is none", () => {
    expect(
      of([
        { tool: "gcc", file: "main.c", line: 3, col: 17, message: "no such thing" },
        { tool: "go", file: "main.go", line: 3, message: "undefined: x" },
        { tool: "apt", message: "Unable to locate package x" },
        { tool: "generic", message: "error: x" },
      ]),
    ).toEqual([
      "main.c:3:17: no such thing",
      "main.go:3: undefined: x",
      "apt: Unable to locate package x",
      "error: x",
    ]);
  });

  it("does not repeat what the error says", () => {
    expect(of([{ tool: "docker", message: "no source" }], "COPY failed: no source")).toEqual([]);
  });

  it("takes any details", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(of(value as JsonValue).length).toBeLessThanOrEqual(15);
        of([value as JsonValue]);
      }),
    );
  });
});
