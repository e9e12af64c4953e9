import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findBuildx, findCosign, findOnPath } from "./test-programs.js";

const before = { ...process.env };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "programs-test-"));
  process.env["MOLECULE_TEST_SKIP_LOG"] = join(directory, "skips");
  process.env["MOLECULE_TEST_REQUIRE"] = "";
  process.env["XDG_CACHE_HOME"] = directory;
  delete process.env["MOLECULE_TEST_BUILDX"];
  delete process.env["MOLECULE_TEST_COSIGN"];
});
afterEach(async () => {
  process.env = { ...before };
  await rm(directory, { recursive: true, force: true });
});

async function program(path: string): Promise<string> {
  const file = join(directory, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "#!/bin/sh\n");
  await chmod(file, 0o755);
  return file;
}

describe("programs for the tests", () => {
  it("are the ones that are named, before those on PATH", async () => {
    const cosign = await program("other/cosign");
    await program("bin/cosign");
    process.env["PATH"] = join(directory, "bin");
    process.env["MOLECULE_TEST_COSIGN"] = cosign;
    expect(await findCosign()).toEqual({ file: cosign, skip: undefined });
  });

  it("are found on PATH, and where they are unpacked", async () => {
    const buildx = await program("bin/docker-buildx");
    const cosign = await program("molecule-test-programs/usr/bin/cosign");
    process.env["PATH"] = join(directory, "bin");
    expect(await findBuildx()).toEqual({ file: buildx, skip: undefined });
    expect(await findOnPath("docker-buildx")).toBe(buildx);
    if ((await findOnPath("cosign")) === undefined) {
      expect(await findCosign()).toEqual({ file: cosign, skip: undefined });
    }
  });

  it("are missing with a reason when what is named cannot be run, and that fails where required", async () => {
    process.env["MOLECULE_TEST_BUILDX"] = join(directory, "nothing");
    expect(await findBuildx()).toMatchObject({
      file: undefined,
      skip: expect.stringContaining("nothing is not a program"),
    });
    process.env["MOLECULE_TEST_REQUIRE"] = "buildx";
    await expect(findBuildx()).rejects.toThrow("nothing is not a program");
  });
});
