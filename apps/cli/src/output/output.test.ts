import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHumanReporter, formatFailure } from "./human-reporter.js";
import { createJsonReporter, redactStrings } from "./json-reporter.js";
import { createLineSink, createTerminalSink } from "./output-sink.js";
import { createPlainProgress } from "./progress.js";
import { formatAge, formatBytes, formatDuration, formatInstant } from "./quantity.js";
import { formatRemovals } from "./removals.js";
import type { FailureReport } from "./reporter.js";
import { createStyle } from "./style.js";
import { formatFields, formatTable, wrapText } from "./table.js";
import { textWidth, truncateText } from "./text-width.js";

const PLAIN = createStyle(false);

const FAILURE: FailureReport = {
  error: {
    name: "ImageBuildError",
    code: "ERR_BUILD_FAILED",
    message: "RUN false failed with exit code 1",
    hint: "Mend the Dockerfile.",
    retryable: false,
    details: {},
  },
  exitCode: 1,
  causes: ["process did not complete"],
  findings: ["main.c:3:17: ‘y’ undeclared"],
  lastLines: ["cannot find the thing", "giving up"],
  undone: ["checkout abc"],
};

describe("JSON reporter", () => {
  function reporter() {
    const lines: string[] = [];
    return {
      lines,
      reporter: createJsonReporter({
        write: (text) => lines.push(text),
        redact: (text) => text.replaceAll("hunter2", "***"),
      }),
    };
  }
  it("prints one object per line, and a result with its command last", () => {
    const { lines, reporter: json } = reporter();
    json.onEvent({ type: "undone", what: "line one\nline two" });
    json.note("for people");
    json.endWithResult("ls", { data: { workspaces: [] }, text: () => "text" });
    expect(lines).toEqual([
      '{"type":"undone","what":"line one\\nline two"}\n',
      '{"type":"result","command":"ls","workspaces":[]}\n',
    ]);
  });
  it("prints the exit code of a result that has one", () => {
    const { lines, reporter: json } = reporter();
    json.endWithResult("exec", { data: { id: "x" }, text: () => "", exitCode: 7 });
    expect(lines).toEqual(['{"type":"result","command":"exec","exitCode":7,"id":"x"}\n']);
  });
  it("prints the whole error", () => {
    const { lines, reporter: json } = reporter();
    json.endWithFailure("up", FAILURE);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      type: "error",
      command: "up",
      name: "ImageBuildError",
      code: "ERR_BUILD_FAILED",
      message: "RUN false failed with exit code 1",
      hint: "Mend the Dockerfile.",
      retryable: false,
      details: {},
      exitCode: 1,
      causes: ["process did not complete"],
      lastLines: ["cannot find the thing", "giving up"],
      undone: ["checkout abc"],
    });
  });
  it("redacts strings however deep they lie, and stays JSON even for odd secrets", () => {
    const { lines, reporter: json } = reporter();
    json.onEvent({
      type: "build.log",
      vertex: "v",
      stream: "stdout",
      line: 'password "hunter2" here',
    });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ line: 'password "***" here' });
    expect(
      redactStrings({ a: ["true", { b: "x" }], c: true, d: null, e: 1 }, (text) =>
        text.replaceAll("true", "***"),
      ),
    ).toEqual({ a: ["***", { b: "x" }], c: true, d: null, e: 1 });
  });
});

describe("human reporter", () => {
  function reporter() {
    const written = { stdout: "", stderr: "" };
    const writers = {
      stdout: (text: string) => void (written.stdout += text),
      stderr: (text: string) => void (written.stderr += text),
    };
    const progress = createPlainProgress({
      write: writers.stderr,
      style: PLAIN,
      now: () => 0,
      unicode: false,
    });
    return {
      written,
      reporter: createHumanReporter({
        writers,
        progress,
        outStyle: PLAIN,
        errStyle: PLAIN,
        redact: (text) => text.replaceAll("hunter2", "***"),
      }),
    };
  }
  it("redacts what events and notes say", () => {
    const { written, reporter: human } = reporter();
    human.onEvent({ type: "warning", code: "W", message: "token hunter2 refused" });
    human.note("hunter2");
    expect(written.stderr).toBe("! token *** refused\n***\n");
  });
  it("keeps stdout for results and output, stderr for progress and failures", () => {
    const { written, reporter: human } = reporter();
    human.onEvent({ type: "undone", what: "a container" });
    human.onEvent({ type: "output", stream: "stdout", text: "hello" });
    human.note("SIGINT");
    human.endWithResult("up", { data: {}, text: () => "ready" });
    expect(written).toEqual({
      stdout: "hello\nready\n",
      stderr: "<- undone    a container\nSIGINT\n",
    });
  });
  it("prints nothing for an empty text", () => {
    const { written, reporter: human } = reporter();
    human.endWithResult("logs", { data: {}, text: () => "" });
    expect(written.stdout).toBe("");
  });
  it("says what failed, why, the last lines and what to do", () => {
    expect(formatFailure(FAILURE, PLAIN)).toMatchInlineSnapshot(`
      "error RUN false failed with exit code 1 (ERR_BUILD_FAILED)
        cause process did not complete
        - main.c:3:17: ‘y’ undeclared
        | cannot find the thing
        | giving up
        hint  Mend the Dockerfile."
    `);
  });
  it("colours only when asked to", () => {
    expect(formatFailure(FAILURE, PLAIN)).not.toContain("\u001b");
    expect(formatFailure(FAILURE, createStyle(true))).toContain("\u001b[31merror\u001b[39m");
  });
});

describe("quantities", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 kB"],
    [10_188, "9.9 kB"],
    [10_240, "10 kB"],
    [1_048_064, "1.0 MB"],
    [80 * 1024 ** 2, "80 MB"],
    [1.5 * 1024 ** 3, "1.5 GB"],
    [5000 * 1024 ** 4, "5000 TB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
  it("keeps sizes short, whatever they are", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 53 / 1024), (bytes) => {
        expect(formatBytes(bytes)).toMatch(/^\d{1,4}(\.\d)? (B|kB|MB|GB|TB)$/);
      }),
    );
  });
  it.each([
    [0.4, "0 ms"],
    [999, "999 ms"],
    [999.6, "1.0 s"],
    [3210, "3.2 s"],
    [59_949, "59.9 s"],
    [59_999, "1 min 00 s"],
    [65_000, "1 min 05 s"],
  ])("%d ms are %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
  it.each([
    [-5, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_600_000, "1 h"],
    [172_800_000, "2 d"],
  ])("%i ms ago is %s", (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
  it("tells instants in UTC", () => {
    expect(formatInstant(Date.UTC(2026, 10, 21, 10, 0, 5))).toBe("2026-11-21 10:00:05 UTC");
  });
});

describe("tables", () => {
  it("lines columns up by what the terminal shows, not by characters", () => {
    const rows = [
      { name: "\u001b[31mred\u001b[39m", size: "1" },
      { name: "日本", size: "100" },
      { name: "two\nlines", size: "5" },
    ];
    expect(
      formatTable(rows, [
        { title: "NAME", cell: ({ name }) => name },
        { title: "N", cell: ({ size }) => size, align: "right" },
      ]),
    ).toBe(
      ["NAME     N", "\u001b[31mred\u001b[39m      1", "日本   100", "two      5", "lines"].join(
        "\n",
      ),
    );
  });
  it("shows the heading of an empty table", () => {
    expect(formatTable([], [{ title: "A", cell: () => "" }])).toBe("A");
  });
  it("indents further lines of a field", () => {
    expect(
      formatFields([
        ["a", "1\n2"],
        ["long", "3"],
      ]),
    ).toBe("a     1\n      2\nlong  3");
  });
  it("wraps at blanks and keeps long words", () => {
    expect(wrapText("a bb ccc dddddddd e", 5)).toBe("a bb\nccc\ndddddddd\ne");
  });
  it("truncates to cells, never inside a character", () => {
    expect(truncateText("hello", 5)).toBe("hello");
    expect(truncateText("hello!", 5)).toBe("hell…");
    expect(truncateText("日本語", 4)).toBe("日…");
    expect(truncateText("hello", 0)).toBe("");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 30 }), (text, n) => {
        expect(textWidth(truncateText(text, n))).toBeLessThanOrEqual(n);
      }),
    );
  });
});

describe("output sinks", () => {
  function lines(pieces: readonly (readonly ["stdout" | "stderr", Uint8Array])[]): string[] {
    const got: string[] = [];
    const sink = createLineSink((stream, line) => got.push(`${stream}:${line}`));
    for (const [stream, bytes] of pieces) sink.write(stream, bytes);
    sink.end();
    return got;
  }
  it("joins pieces into lines, each stream by itself", () => {
    expect(
      lines([
        ["stdout", Buffer.from("he")],
        ["stderr", Buffer.from("oops\r\n")],
        ["stdout", Buffer.from("llo\nrest")],
      ]),
    ).toEqual(["stderr:oops", "stdout:hello", "stdout:rest"]);
  });
  it("gives the same lines however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 7 }), (text, size) => {
        const bytes = Buffer.from(text);
        const pieces: (readonly ["stdout", Uint8Array])[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          pieces.push(["stdout", bytes.subarray(at, at + size)]);
        }
        expect(lines(pieces)).toEqual(lines([["stdout", bytes]]));
      }),
    );
  });
  it("hands an endless line on in pieces instead of keeping it", () => {
    const got = lines([["stdout", Buffer.alloc(200_000, "x")]]);
    expect(got.map(({ length }) => length - "stdout:".length)).toEqual([
      65_536, 65_536, 65_536, 3392,
    ]);
  });
  it("lets no workspace move the reader's cursor or set a title", () => {
    let text = "";
    const sink = createTerminalSink((_stream, piece) => (text += piece));
    sink.write("stdout", Buffer.from("a\u001b]0;owned"));
    sink.write("stdout", Buffer.from("\u0007b\u001b[2Jc\n"));
    sink.end();
    expect(text).toBe("abc\n");
  });
});

describe("removals", () => {
  it("tells what went, stayed and failed", () => {
    const removals = {
      dryRun: false,
      removed: ["volume a"],
      kept: [{ name: "volume b", reason: "in use" }],
      failed: [{ name: "volume c", message: "busy" }],
    };
    expect(formatRemovals(removals, PLAIN)).toBe(
      "removed volume a\nkept volume b: in use\nfailed volume c: busy",
    );
    expect(formatRemovals({ ...removals, dryRun: true }, PLAIN)).toContain("would remove volume a");
    expect(formatRemovals({ dryRun: false, removed: [], kept: [], failed: [] }, PLAIN)).toBe(
      "Nothing to remove.",
    );
  });
});
