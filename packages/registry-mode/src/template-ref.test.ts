import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTemplateRef, parseTemplateRef } from "./template-ref.js";

describe("isTemplateRef", () => {
  it.each(["main", "release/2.1", "v1.0.0", "feature/a-b_c", "a@b", "ünïcode", "0".repeat(40)])(
    "takes %s",
    (ref) => {
      expect(isTemplateRef(ref)).toBe(true);
      expect(parseTemplateRef(ref)).toBe(ref);
    },
  );

  it.each([
    "",
    "@",
    "-main",
    "--upload-pack=x",
    "a..b",
    "../x",
    "/main",
    "main/",
    "a//b",
    ".hidden",
    "a/.hidden",
    "a.lock",
    "a.lock/b",
    "main.",
    "a b",
    "a\tb",
    "a\nb",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "a@{1}",
    "x".repeat(256),
  ])("refuses %j", (ref) => {
    expect(isTemplateRef(ref)).toBe(false);
    expect(() => parseTemplateRef(ref)).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_REF_INVALID" }),
    );
  });

  it("never takes what a command line or a path could misread", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (ref) => {
        fc.pre(isTemplateRef(ref));
        expect(ref.startsWith("-")).toBe(false);
        expect(ref.split("/")).not.toContain("..");
        // oxlint-disable-next-line no-control-regex
        expect(ref).not.toMatch(/[\u0000- :\u007f]/);
      }),
    );
  });
});
