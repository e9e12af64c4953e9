import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordSkip, skipOrThrow } from "./skip.js";

let directory: string;
const before = { ...process.env };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skip-test-"));
  process.env["MOLECULE_TEST_SKIP_LOG"] = join(directory, "skips");
});
afterEach(async () => {
  process.env = { ...before };
  await rm(directory, { recursive: true, force: true });
});

const log = (): Promise<string> => readFile(join(directory, "skips"), "utf8");

describe("skips", () => {
  it("are written down once each", async () => {
    recordSkip("no engine for this test");
    recordSkip("no engine for this test");
    recordSkip("no registry for this test");
    expect(await log()).toBe("no engine for this test\nno registry for this test\n");
  });

  it("are failures where the thing is required", async () => {
    process.env["MOLECULE_TEST_REQUIRE"] = "git, engine";
    expect(() => skipOrThrow("engine", "it is gone")).toThrow("it is gone");
    expect(skipOrThrow("registry", "none is installed")).toBe("none is installed");
    expect(await log()).toBe("none is installed\n");
  });
});
