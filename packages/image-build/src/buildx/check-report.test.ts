import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCheckReport } from "./check-report.js";

describe("the report of a check", () => {
  it("is read with rules, places and the error that ends a build", () => {
    const location = { sourceIndex: 0, ranges: [{ start: { line: 2 }, end: { line: 3 } }] };
    expect(
      parseCheckReport(
        JSON.stringify({
          warnings: [
            {
              ruleName: "FromAsCasing",
              description: "The 'as' keyword should match the case of the 'from' keyword",
              url: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
              detail: "'as' and 'FROM' keywords' casing do not match",
              location,
            },
            { ruleName: "Bare", location: {} },
          ],
          sources: [{ fileName: "Dockerfile", data: "RlJPTQo=" }],
          buildError: { message: "dockerfile parse error", location },
        }),
      ),
    ).toEqual({
      findings: [
        {
          rule: "FromAsCasing",
          description: "The 'as' keyword should match the case of the 'from' keyword",
          url: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
          detail: "'as' and 'FROM' keywords' casing do not match",
          line: 2,
        },
        { rule: "Bare", description: "", detail: "", url: undefined, line: undefined },
      ],
      error: { message: "dockerfile parse error", line: 2 },
    });
    expect(parseCheckReport('{"warnings":null}')).toEqual({ findings: [], error: undefined });
  });

  it("throws nothing but its own error, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((x) => `{"warnings":${x}}`),
        ),
        (text) => {
          try {
            parseCheckReport(text);
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_BUILDX_FAILED" });
          }
        },
      ),
    );
  });
});
