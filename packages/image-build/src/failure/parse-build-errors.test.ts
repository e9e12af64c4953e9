import { readdirSync, readFileSync } from "node:fs";
import { createRedactor } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildErrorEntry } from "./build-error-entry.js";
import { parseBuildErrors } from "./parse-build-errors.js";

const entriesOf = (...lines: string[]): readonly BuildErrorEntry[] =>
  parseBuildErrors(lines.join("\n")).entries;

const FIXTURES = new URL("../../test/fixtures/errors/", import.meta.url);
const realLines = readdirSync(FIXTURES)
  .filter((name) => name.endsWith(".txt"))
  .flatMap((name) => readFileSync(new URL(name, FIXTURES), "utf8").split("\n"));

/** Lines as these tools document them; the tools themselves were not at hand. */
const DOCUMENTED: [string, string[], Partial<BuildErrorEntry>][] = [
  [
    "apk: a package that does not exist",
    [
      "ERROR: unable to select packages:",
      "  nosuch (no such package):",
      "    required by: world[nosuch]",
    ],
    { tool: "apk", message: "no such package: nosuch" },
  ],
  [
    "dnf: a package that does not exist",
    ["Error: Unable to find a match: nosuch"],
    { tool: "dnf", message: "Unable to find a match: nosuch" },
  ],
  [
    "npm 6",
    ["npm ERR! code ERESOLVE", "npm ERR! ERESOLVE unable to resolve dependency tree", "npm ERR!"],
    { tool: "npm", code: "ERESOLVE", message: "unable to resolve dependency tree" },
  ],
  [
    "pnpm 9",
    [
      " ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with frozen-lockfile because it is not up to date",
    ],
    { tool: "pnpm", code: "ERR_PNPM_OUTDATED_LOCKFILE" },
  ],
  [
    "yarn 4",
    ["➤ YN0000: ┌ Resolution step", "➤ YN0035: │ nosuch@npm:1: Package not found"],
    { tool: "yarn", code: "YN0035", message: "nosuch@npm:1: Package not found" },
  ],
  [
    "clang",
    ["src/a.cpp:4:7: fatal error: 'x.h' file not found"],
    { tool: "gcc", file: "src/a.cpp", line: 4, col: 7 },
  ],
  [
    "eslint",
    [
      "/app/src/a.ts",
      "   1:10  warning  'y' is defined but never used  no-unused-vars",
      "  12:5   error    'x' is not defined             no-undef",
    ],
    { tool: "eslint", file: "/app/src/a.ts", line: 12, col: 5, code: "no-undef" },
  ],
  [
    "dotnet",
    ["/src/Program.cs(3,5): error CS1002: ; expected [/src/x.csproj]"],
    { tool: "dotnet", file: "/src/Program.cs", line: 3, col: 5, code: "CS1002" },
  ],
  [
    "a checksum of ADD",
    ["ERROR: failed to solve: digest mismatch sha256:00: sha256:11"],
    { tool: "docker", hint: expect.stringContaining("--checksum") as string },
  ],
  [
    "COPY on newer BuildKit",
    ['ERROR: failed to solve: failed to calculate checksum of ref a::b: "/nope": not found'],
    { tool: "docker", hint: expect.stringContaining(".dockerignore") as string },
  ],
  [
    "a limit of the registry",
    ["ERROR: failed to solve: x: toomanyrequests: You have reached your pull rate limit."],
    { tool: "docker", hint: expect.stringContaining("log in") as string },
  ],
  [
    "a private image",
    [
      "ERROR: failed to solve: x: pull access denied, repository does not exist or may require authorization",
    ],
    { tool: "docker", hint: expect.stringContaining("log in") as string },
  ],
  [
    "a certificate",
    [
      'ERROR: failed to solve: Head "https://r.example/v2/": x509: certificate signed by unknown authority',
    ],
    { tool: "docker", hint: expect.stringContaining("certificate") as string },
  ],
  [
    "a Dockerfile on newer BuildKit",
    [
      "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)",
    ],
    { tool: "docker", file: "Dockerfile", line: 3 },
  ],
  [
    "a killed compiler",
    ["g++: fatal error: Killed signal terminated program cc1plus"],
    { tool: "g++" },
  ],
  ["a killed program", ["Killed"], { tool: "memory" }],
  [
    "Node.js without heap",
    ["FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"],
    { tool: "node", hint: expect.stringContaining("max-old-space-size") as string },
  ],
];

describe("parseBuildErrors", () => {
  it.each(DOCUMENTED)("knows %s", (_, lines, expected) => {
    expect(entriesOf(...lines)).toHaveLength(1);
    expect(entriesOf(...lines)[0]).toMatchObject(expected);
  });

  it("says a thing once that the builder shows twice", () => {
    const entries = entriesOf(
      "#5 0.579 a.go:1:2: undefined: x",
      "------",
      " > [2/2] RUN go build:",
      "0.579 a.go:1:2: undefined: x",
      "------",
    );
    expect(entries.map(({ message }) => message)).toEqual(["undefined: x"]);
  });

  it("keeps what says why when there is more than it may show", () => {
    const entries = entriesOf(
      ...Array.from({ length: 40 }, (_, index) => `make: *** [Makefile:${index + 1}: t] Error 1`),
      "a.go:1:2: undefined: x",
    );
    expect(entries).toHaveLength(15);
    expect(entries.at(-1)?.tool).toBe("go");
  });

  it("passes over warnings, and words that only sound like errors", () => {
    expect(
      entriesOf(
        "a.c:1:2: warning: unused variable 'x'",
        "Compiling error-chain v0.12.4",
        "#7 [2/3] RUN test -f error: || echo failed: x",
        "0 errors",
        "   2 | >>> RUN failed: x",
      ),
    ).toEqual([]);
  });

  it("masks secrets and removes control characters before it looks", () => {
    const redactor = createRedactor(["hunter2-hunter2"]);
    const { entries } = parseBuildErrors(
      "\u001b[31merror\u001b[0m: x\na.go:1:2: undefined: hunter2-\u0007hunter2\n",
      (text) => redactor.redact(text),
    );
    expect(JSON.stringify(entries)).not.toMatch(/hunter2|\\u00/);
    expect(entries).toHaveLength(2);
  });

  it("takes any text: never throws, and tells a bounded and printable number of entries", () => {
    const line = fc.oneof(fc.constantFrom(...realLines), fc.string({ unit: "binary" }));
    const mixed = fc.tuple(line, line).map(([a, b]) => a.slice(0, 30) + b);
    fc.assert(
      fc.property(fc.array(fc.oneof(line, mixed), { maxLength: 40 }), (lines) => {
        const { entries } = parseBuildErrors(lines.join("\n"));
        expect(entries.length).toBeLessThanOrEqual(15);
        for (const entry of entries) {
          expect(entry.message.length).toBeLessThanOrEqual(500);
          expect(entry.line ?? 1).toBeGreaterThan(0);
          // oxlint-disable-next-line no-control-regex
          expect(JSON.stringify(entry)).not.toMatch(/\\u00[01]|\\b|\\f|[\u007f-\u009f]/);
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["one long line", "a: error ".repeat(111_000)],
    ["blanks", `E: ${" ".repeat(1_000_000)}`],
    ["colons", "x:1:1:".repeat(170_000)],
    ["tracebacks without end", "Traceback (most recent call last):\n".repeat(29_000)],
    ["frames", `Traceback (most recent call last):\n${'  File "a", line 1\n'.repeat(50_000)}`],
    ["errors of Node.js without stack", "Error: x\n".repeat(110_000)],
    ["npm", "npm error x\n".repeat(83_000)],
    ["npm codes", "npm error code E1\n".repeat(55_000)],
    ["eslint without file", "  1:2  error  x  y\n".repeat(50_000)],
    ["go panics", "panic: x\ngoroutine 1 [running]:\n".repeat(30_000)],
    ["words", "failed to fetch: exec: lstat base name not found\n".repeat(20_000)],
    [
      "different errors",
      Array.from({ length: 50_000 }, (_, n) => `a.c:${n}:1: error: x`).join("\n"),
    ],
    ["because", `Because ${"version solving failed ".repeat(43_000)}`],
    ["shell", "sh: a: b: c: ".repeat(77_000)],
    ["real output", realLines.join("\n").repeat(30).slice(0, 1_000_000)],
  ])("reads 1 MB of %s in linear time", (_, text) => {
    const half = text.slice(0, text.length / 2);
    const timed = (input: string): number => {
      const startedAt = process.cpuUsage();
      parseBuildErrors(input);
      return process.cpuUsage(startedAt).user / 1000;
    };
    timed(half);
    expect(timed(text)).toBeLessThan(15_000);
  });
});
