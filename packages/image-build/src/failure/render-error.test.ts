import { createRedactor } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderBuildError } from "./render-error.js";

const FRAME = "    │ ";
const rowsOf = (rendered: string): string[] =>
  rendered
    .split("\n")
    .slice(0, -1)
    .map((row) => row.slice(FRAME.length));

const numbered = Array.from({ length: 12 }, (_, index) => `line ${index + 1}`).join("\n");

describe("renderBuildError", () => {
  it("shows entries first, then the last lines", () => {
    expect(rowsOf(renderBuildError("start\na.go:1:2: undefined: x\nend"))).toEqual([
      "  [go] a.go:1:2: undefined: x",
      "",
      "  start",
      "  a.go:1:2: undefined: x",
      "  end",
    ]);
  });

  it("shows the last ten lines where no tool said anything, and how many are above", () => {
    const rows = rowsOf(renderBuildError(numbered));
    expect(rows[0]).toBe("  ... (2 lines truncated)");
    expect(rows.slice(1)).toEqual(
      numbered
        .split("\n")
        .slice(2)
        .map((line) => `  ${line}`),
    );
  });

  it("shows every line when asked to", () => {
    const rows = rowsOf(renderBuildError(`E: no\n${numbered}`, { verbose: true }));
    expect(rows).toHaveLength(1 + 1 + 13);
    expect(rowsOf(renderBuildError(numbered, { verbose: true }))).toHaveLength(12);
  });

  it("says of a failed build that printed nothing that it did so", () => {
    expect(rowsOf(renderBuildError(" \n", { failed: { exitCode: 137 } }))).toEqual([
      "  The build failed with exit code 137 and printed nothing.",
    ]);
    expect(rowsOf(renderBuildError("", { failed: {} }))).toEqual([
      "  The build failed and printed nothing.",
    ]);
  });

  it("always shows something of a failed build, printable and without secrets", () => {
    const redactor = createRedactor(["hunter2-hunter2"]);
    const piece = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("hunter2-hunter2", "\n", "error: ", "\u001b[31m", "\u0000", "\r\n"),
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join("")),
        (text) => {
          const rendered = renderBuildError(text, {
            clean: (dirty) => redactor.redact(dirty),
            failed: {},
          });
          expect(rendered.trim()).not.toBe("");
          expect(rowsOf(rendered).some((row) => row.trim() !== "")).toBe(true);
          expect(rendered).not.toContain("hunter2");
          // oxlint-disable-next-line no-control-regex
          expect(rendered).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        },
      ),
    );
  });
});
