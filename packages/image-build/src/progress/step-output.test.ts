import { createRedactor } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStepOutput, MAX_LINE_LENGTH, type StepOutput } from "./step-output.js";

function collect(secrets: string[] = [], tailLines = 20): StepOutput & { lines: string[] } {
  const lines: string[] = [];
  const redactor = createRedactor(secrets);
  const output = createStepOutput({
    clean: (text) => redactor.redact(text),
    onLine: (_, stream, line) => lines.push(stream === "stderr" ? `! ${line}` : line),
    tailLines,
  });
  return { ...output, lines };
}

const linesOf = (...pieces: (string | Buffer)[]): string[] => {
  const output = collect();
  for (const piece of pieces) output.write("s", "stdout", Buffer.from(piece));
  output.end("s");
  return output.lines;
};

describe("createStepOutput", () => {
  it("makes lines of pieces, and one of what has no newline at the end", () => {
    expect(linesOf("/bin/sh: ", "x: not found\nsecond\n", "half")).toEqual([
      "/bin/sh: x: not found",
      "second",
      "half",
    ]);
  });

  it("keeps the two streams of a step, and the steps, apart", () => {
    const output = collect();
    output.write("a", "stdout", Buffer.from("one "));
    output.write("a", "stderr", Buffer.from("two\n"));
    output.write("b", "stdout", Buffer.from("three\n"));
    output.write("a", "stdout", Buffer.from("four\n"));
    expect(output.lines).toEqual(["! two", "three", "one four"]);
    expect(output.tail("a")).toEqual(["two", "one four"]);
  });

  it("shows of an overprinted line what a terminal would show", () => {
    expect(linesOf("10%\r20%\r100%\ndone\r\n\r\n")).toEqual(["100%", "done", ""]);
  });

  it("removes colours and other control characters", () => {
    expect(linesOf("\u001b[91mred\u001b[0m\u0007\tx\n")).toEqual(["red\tx"]);
  });

  it("masks a secret that arrives in two pieces", () => {
    const output = collect(["hunter2-hunter2"]);
    output.write("s", "stdout", Buffer.from("password hunter2-"));
    output.write("s", "stdout", Buffer.from("hunter2!\n"));
    expect(output.lines).toEqual(["password ***!"]);
  });

  it("masks a secret that lies across the cut of a long line", () => {
    const output = collect(["hunter2-hunter2"]);
    output.write(
      "s",
      "stdout",
      Buffer.from(`${"x".repeat(MAX_LINE_LENGTH - 8)}hunter2-hunter2 end\n`),
    );
    expect(output.lines[0]).not.toContain("hunter");
  });

  it("bounds lines and what it holds, also when no newline ever comes", () => {
    const output = collect();
    for (let i = 0; i < 500; i += 1) output.write("s", "stdout", Buffer.alloc(10_000, "x"));
    output.write("s", "stdout", Buffer.from("\nnext\n"));
    expect(output.lines.map((line) => line.length)).toEqual([MAX_LINE_LENGTH, 4]);
    for (let i = 0; i < 50_000; i += 1) output.write("s", "stdout", Buffer.from(`\r${i} of many`));
    output.end("s");
    expect(output.lines.at(-1)).toBe("49999 of many");
  });

  it("keeps the last lines only", () => {
    const output = collect([], 3);
    output.write("s", "stdout", Buffer.from("1\n2\n3\n4\n5\n"));
    expect(output.tail("s")).toEqual(["3", "4", "5"]);
    output.drop("s");
    expect(output.tail("s")).toEqual([]);
  });

  it("gives the same lines however the bytes are cut", () => {
    const text = fc
      .array(fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("\n", "\r\n", "名前", "é")))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, fc.array(fc.nat(30), { minLength: 1 }), (whole, sizes) => {
        const bytes = Buffer.from(whole);
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const size = (sizes[i % sizes.length] as number) + 1;
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(linesOf(...pieces)).toEqual(linesOf(bytes));
      }),
    );
  });
});
