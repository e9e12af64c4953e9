import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextLink } from "./link.js";

describe("nextLink", () => {
  it.each([
    ['</v2/a/tags/list?last=x&n=2>; rel="next"', "/v2/a/tags/list?last=x&n=2"],
    ['</a>; rel=prev, </b>; title="x, y"; REL="first NEXT"', "/b"],
    [["</a>; rel=prev", "</b>; rel=next"], "/b"],
    ['</a>; title="; rel=next"', undefined],
    ["</a>", undefined],
    ["</a>; rel=prev", undefined],
    ["</never", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j", (header, expected) => {
    expect(nextLink(header)).toBe(expected);
  });

  it("reads back what was written", () => {
    const target = fc.stringMatching(/^\/[!-;=?-~]{0,60}$/);
    fc.assert(
      fc.property(target, fc.array(target), (next, others) => {
        const header = [
          ...others.map((other) => `<${other}>; rel="prev"`),
          `<${next}>; rel="next"`,
        ];
        expect(nextLink(header.join(", "))).toBe(next);
      }),
    );
  });

  it("never fails, and takes no longer for what is long", () => {
    fc.assert(fc.property(fc.string(), (text) => void nextLink(text)));
    const started = performance.now();
    for (const piece of ["<", "<>", ",", ";", '"', "<>;", "<>;rel="])
      nextLink(piece.repeat(1_000_000));
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
