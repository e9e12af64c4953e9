import { describe, expect, it } from "vitest";
import { bodyOf } from "./dockerfile.js";
import { readDockerfile } from "./read-dockerfile.js";
import { lineAt } from "./source-text.js";

const bodies = (text: string): string[] =>
  readDockerfile(text).instructions.map(
    (instruction) => `${instruction.line} ${instruction.keyword} ${bodyOf(instruction)}`,
  );

describe("readDockerfile", () => {
  it.each<[string, string[]]>([
    ["from a\n  run b\n", ["1 FROM a", "2 RUN b"]],
    ["FROM a\r\nRUN b \\\r\n c\r\n", ["1 FROM a", "2 RUN b  c"]],
    ["\ufeffFROM a", ["1 FROM a"]],
    ["FROM a\nRUN b \\\n# no\n   # no\n\n c\nRUN d", ["1 FROM a", "2 RUN b  c", "7 RUN d"]],
    ["FROM a\nRUN b \\  \nc", ["1 FROM a", "2 RUN b c"]],
    ["FROM a\nRUN b \\\\\nRUN c", ["1 FROM a", "2 RUN b \\\\", "3 RUN c"]],
    ["# escape=`\nFROM a\nRUN b `\nc \\", ["2 FROM a", "3 RUN b c \\"]],
    ["# x\n# escape=`\nFROM a\nRUN b `", ["3 FROM a", "4 RUN b `"]],
    ["FROM a\nRUN --mount=type=cache,target=/x --network=none b --c", ["1 FROM a", "2 RUN b --c"]],
    ["FROM a\nRUN <<EOF\nx\nRUN no\nEOF\nRUN b", ["1 FROM a", "2 RUN <<EOF", "6 RUN b"]],
    [
      "FROM a\nCOPY <<A <<-B /x\n1\nA\n\tFROM x\n\tB\nUSER u",
      ["1 FROM a", "2 COPY <<A <<-B /x", "7 USER u"],
    ],
    ['FROM a\nRUN ["x", "<<EOF"]\nUSER u', ["1 FROM a", '2 RUN ["x", "<<EOF"]', "3 USER u"]],
    ["FROM a\nRUN x <<<EOF\nUSER u", ["1 FROM a", "2 RUN x <<<EOF", "3 USER u"]],
    ["FROM a\nONBUILD RUN <<E\nx\nE\nUSER u", ["1 FROM a", "2 ONBUILD RUN <<E", "5 USER u"]],
  ])("%j has %j", (text, expected) => {
    expect(bodies(text)).toEqual(expected);
  });

  it("knows flags, JSON form, heredocs and the frontend", () => {
    const { syntax, instructions } = readDockerfile(
      '# syntax = docker/dockerfile:1.7\nFROM --platform=$P a\nRUN ["a", "b c"]\nRUN <<"X" sh\n$a\nX\n',
    );
    expect(syntax).toEqual({ image: "docker/dockerfile:1.7", line: 1 });
    expect(instructions[0]?.flags).toEqual([{ name: "platform", value: "$P" }]);
    expect(instructions[1]?.execForm).toEqual(["a", "b c"]);
    expect(instructions[2]?.heredocs).toMatchObject([
      { name: "X", expands: false, content: { text: "$a\n" } },
    ]);
  });

  it("knows the line of every character", () => {
    const { source } =
      readDockerfile("FROM a\nRUN one \\\n# no\n two \\\n three").instructions[1] ?? {};
    expect(source).toBeDefined();
    if (source === undefined) return;
    expect(lineAt(source, source.text.indexOf("one"))).toBe(2);
    expect(lineAt(source, source.text.indexOf("two"))).toBe(4);
    expect(lineAt(source, source.text.indexOf("three"))).toBe(5);
  });

  it.each([
    ["", "There is no FROM."],
    ["FROM a\nNOPE b", "Unknown instruction NOPE."],
    ["FROM a\nRUN <<EOF\nx", "Nothing ends the heredoc that begins here."],
  ])("tells what no builder accepts in %j", (text, message) => {
    expect(readDockerfile(text).problems.map((problem) => problem.message)).toEqual([message]);
  });

  it.each([
    ["x".repeat(1024 * 1024 + 1), "ERR_DOCKERFILE_TOO_LARGE"],
    ["\u007fELF\u0000\u0001", "ERR_DOCKERFILE_BINARY"],
  ])("refuses what is no Dockerfile", (text, code) => {
    expect(() => readDockerfile(text)).toThrow(expect.objectContaining({ code }));
  });
});
