import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createBuildx, type Buildx } from "../src/buildx/buildx.js";
import { pruneBuildkit } from "../src/cache/buildkit-prune.js";

const signal = new AbortController().signal;

let room: string;
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "molecule-prune-"));
});
afterEach(async () => {
  await rm(room, { recursive: true, force: true });
});

function program(name: string, env: Readonly<Record<string, string>> = {}): Buildx {
  const file = fileURLToPath(new URL(`fixtures/bin/${name}`, import.meta.url));
  return createBuildx({
    command: { file, args: [] },
    env: { PATH: "/usr/bin:/bin", LOG: join(room, "calls"), ...env },
  });
}

test("a buildx that has the newer flags gets them, and is read as JSON", async () => {
  const result = await pruneBuildkit({
    buildx: program("buildx-of-records"),
    builder: "b",
    maxUsedBytes: 1000,
    minFreeBytes: 50,
    signal,
  });
  expect(await readFile(join(room, "calls"), "utf8")).toBe(
    [
      "du --builder b --format json",
      "prune --builder b --force --max-used-space 1000 --min-free-space 50",
      "du --builder b --format json",
      "",
    ].join("\n"),
  );
  expect(result).toMatchObject({
    reclaimedBytes: 2_000_000_000,
    usageBefore: { totalBytes: 2_000_001_500, reclaimableBytes: 2_000_000_000 },
    usageAfter: { totalBytes: 1500, reclaimableBytes: 0 },
    skipReason: undefined,
  });
});

test("a rule that an older buildx cannot carry out is refused before anything is pruned", async () => {
  await expect(
    pruneBuildkit({
      buildx: program("buildx-of-sizes", { SIZES: "1GB 1GB 1GB" }),
      builder: "b",
      maxAgeMs: 1000,
      minFreeBytes: 50,
      signal,
    }),
  ).rejects.toMatchObject({ code: "ERR_BUILD_BACKEND" });
  await expect(readFile(join(room, "calls"))).rejects.toThrow("ENOENT");
});

test("a name that could be an option, and a program that is not there, are errors of their own", async () => {
  const buildx = program("buildx-of-records");
  await expect(
    pruneBuildkit({ buildx, builder: "--all", maxUsedBytes: 1, signal }),
  ).rejects.toMatchObject({ code: "ERR_BUILDER" });
  await expect(
    pruneBuildkit({ buildx: program("absent"), builder: "b", maxUsedBytes: 1, signal }),
  ).rejects.toMatchObject({ code: "ERR_BUILDX_MISSING" });
});
