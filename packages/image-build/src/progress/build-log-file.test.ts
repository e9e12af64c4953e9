import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Warning } from "@molecule-ai/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBuildLog, type BuildLogFile } from "./build-log-file.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "molecule-build-log-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function logged(
  limitBytes: number,
  write: (log: BuildLogFile) => void | Promise<void>,
): Promise<{ text: string; warnings: Warning[] }> {
  const warnings: Warning[] = [];
  const path = join(directory, "build.log");
  const log = await openBuildLog({ path, limitBytes, emit: (warning) => warnings.push(warning) });
  await write(log);
  await log[Symbol.asyncDispose]();
  return { text: await readFile(path, "utf8"), warnings };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the log file of a build", () => {
  it("holds the lines, for its owner's eyes only, also where a file was before", async () => {
    const path = join(directory, "build.log");
    await writeFile(path, "old and longer", { mode: 0o644 });
    const { text } = await logged(8192, (log) => {
      log.write("one");
      log.write("two\nthree");
    });
    expect(text).toBe("one\ntwo three\n");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("keeps the first and the last part of a long output and says what is left out", async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    const { text, warnings } = await logged(65_536, async (log) => {
      for (const line of lines) {
        log.write(line);
        if (line.endsWith("7")) await turn();
      }
    });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(65_536);
    expect(warnings).toEqual([]);
    const found = text.split("\n");
    const gap = found.findIndex((line) => line.endsWith("left out …"));
    expect(found.slice(0, gap)).toEqual(lines.slice(0, gap));
    const last = found.slice(gap + 1, -1);
    expect(last.length).toBeGreaterThan(2500);
    expect(last).toEqual(lines.slice(-last.length));
    const missing = lines.slice(gap, -last.length).join("\n").length + 1;
    expect(found[gap]).toBe(`… ${missing} bytes left out …`);
  });

  it("is never larger than its limit and never has half a line", async () => {
    const line = fc
      .tuple(fc.constantFrom("a", "é", "名", "a\n"), fc.nat(2000))
      .map(([text, times]) => text.repeat(times));
    const lines = fc.array(line, { maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(lines, fc.integer({ min: 65_536, max: 80_000 }), async (written, limit) => {
        const { text } = await logged(limit, (log) => {
          for (const line of written) log.write(line);
        });
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(limit);
        const whole = new Set(written.map((line) => line.replaceAll("\n", " ")));
        const strange = text
          .split("\n")
          .slice(0, -1)
          .filter((line) => !whole.has(line) && !/^… \d+ bytes left out …$/.test(line));
        expect(strange).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  it("bounds what waits for the disk", async () => {
    const { text } = await logged(64 * 1024 * 1024, (log) => {
      for (let i = 0; i < 20_000; i += 1) log.write("x".repeat(1000));
    });
    expect(Buffer.byteLength(text)).toBeLessThan(5 * 1024 * 1024);
    expect(text).toMatch(/… \d+ bytes left out …\n$/);
  });

  it("warns once of a full disk and lets the build go on", async () => {
    const warnings: Warning[] = [];
    const log = await openBuildLog({
      path: "/dev/full",
      limitBytes: 8192,
      emit: (warning) => warnings.push(warning),
    });
    for (let i = 0; i < 50; i += 1) {
      log.write("line");
      await turn();
    }
    await log[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    log.write("late");
    expect(warnings).toMatchObject([
      { code: "WARN_BUILD_LOG", message: "The log of the build ends early: the disk is full." },
    ]);
  });

  it("refuses a place where there can be no file", async () => {
    await expect(
      openBuildLog({ path: join(directory, "none", "x"), limitBytes: 1, emit: () => {} }),
    ).rejects.toMatchObject({ code: "ERR_BUILD_OPTIONS" });
  });
});
