import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tryLockCache } from "../src/cache/cache-lock.js";
import { enforceLocalRetention, type LocalRetentionResult } from "../src/cache/local-retention.js";
import { exportLocalCache, exportSizedCache } from "./fixtures/local-cache-layout.js";

const DAY = 86_400_000;
const signal = new AbortController().signal;

let room: string;
let directory: string;
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "molecule-retention-"));
  directory = join(room, "e3a12384ea7e3d36");
});
afterEach(async () => {
  await rm(room, { recursive: true, force: true });
});

const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY);

function enforce(
  rule: { maxAgeDays?: number; maxBytes?: number; dryRun?: boolean } = {},
): Promise<LocalRetentionResult> {
  const { maxAgeDays = 0, maxBytes = 0, dryRun } = rule;
  return enforceLocalRetention({ directory, maxAgeMs: maxAgeDays * DAY, maxBytes, dryRun, signal });
}

async function exportOf(
  name: string,
  days: number,
  layers: readonly string[],
  imageManifest = false,
): Promise<string> {
  return exportLocalCache(directory, {
    name,
    at: daysAgo(days),
    layers: layers.map((text) => Buffer.from(text)),
    config: Buffer.from(
      `{"of":${JSON.stringify([name, layers.map((text) => text.slice(0, 20))])}}`,
    ),
    imageManifest,
  });
}

async function blobs(): Promise<readonly string[]> {
  return (await readdir(join(directory, "blobs/sha256"))).sort();
}

/** Every digest that can be reached from the index; fails when one of them is absent. */
async function reachable(): Promise<readonly string[]> {
  const found = new Set<string>();
  const visit = async (digest: string): Promise<void> => {
    const hex = digest.slice("sha256:".length);
    const bytes = await readFile(join(directory, "blobs/sha256", hex));
    if (found.has(hex)) return;
    found.add(hex);
    if (!bytes.toString().startsWith('{"schemaVersion"')) return;
    const json = JSON.parse(bytes.toString()) as Record<
      string,
      { digest: string }[] | { digest: string }
    >;
    const children = [json["manifests"], json["layers"], json["config"]].flat();
    for (const child of children) if (child !== undefined) await visit(child.digest);
  };
  const index = JSON.parse(await readFile(join(directory, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  await Promise.all(index.manifests.map((manifest) => visit(manifest.digest)));
  return [...found].sort();
}

test("an entry that is too old goes with its own blobs; what a younger one shares stays", async () => {
  await exportOf("old", 10, ["shared", "only old"]);
  await exportOf("new", 2, ["shared", "only new"], true);
  const result = await enforce({ maxAgeDays: 7 });
  expect(result).toMatchObject({ entriesBefore: 2, prunedBlobs: 3, reason: undefined });
  expect(result.removed).toEqual([expect.objectContaining({ name: "old", reason: "age" })]);
  expect(await blobs()).toEqual(await reachable());
});

test("what earlier exports under the same tag left is removed, once it is no export under way", async () => {
  await exportOf("latest", 5, ["first"]);
  await exportOf("latest", 1, ["second"]);
  const inFlight = join(directory, "blobs/sha256", "f".repeat(64));
  await writeFile(inFlight, "young");
  const result = await enforce();
  expect(result).toMatchObject({ entriesBefore: 1, removed: [], prunedBlobs: 3 });
  expect(await blobs()).toEqual([...(await reachable()), "f".repeat(64)].sort());
});

test("an old cache that was exported again yesterday is a young one", async () => {
  await exportOf("latest", 30, ["same"]);
  await exportOf("latest", 1, ["same"]);
  expect((await enforce({ maxAgeDays: 7 })).removed).toEqual([]);
  // Also after a clean-up that wrote the index.
  await exportOf("other", 0, ["other"]);
  await exportOf("latest", 2, ["same"]);
  await enforce({ maxBytes: 10_000 });
  expect((await enforce({ maxAgeDays: 7 })).removed).toEqual([]);
});

test("size counts what entries share once, and takes the oldest first", async () => {
  const shared = "s".repeat(5000);
  await exportOf("a", 3, [shared, "a"]);
  await exportOf("b", 2, [shared, "b"]);
  await exportOf("c", 1, [shared, "c"]);
  expect((await enforce({ maxBytes: 8000 })).removed).toEqual([]);
  const result = await enforce({ maxBytes: 6200 });
  expect(result.removed.map((entry) => entry.name)).toEqual(["a"]);
  expect(result.bytesAfter).toBeLessThanOrEqual(6200);
  expect(await blobs()).toEqual(await reachable());
});

test("when nothing stays there is no index, which a build would refuse to import when it is empty", async () => {
  await exportOf("latest", 9, ["x"]);
  const result = await enforce({ maxAgeDays: 7 });
  expect(result.bytesAfter).toBe(0);
  expect(await readdir(directory)).toEqual(expect.not.arrayContaining(["index.json"]));
  expect(await blobs()).toEqual([]);
  // And the next export finds the directory as it likes it.
  await exportOf("latest", 0, ["y"]);
  expect((await enforce({ maxAgeDays: 7 })).entriesBefore).toBe(1);
});

test("a dry run says the same and removes nothing", async () => {
  await exportOf("old", 10, ["a"]);
  await exportOf("new", 1, ["b"]);
  const before = [await blobs(), await readFile(join(directory, "index.json"), "utf8")];
  const dry = await enforce({ maxAgeDays: 7, dryRun: true });
  expect([await blobs(), await readFile(join(directory, "index.json"), "utf8")]).toEqual(before);
  expect(await enforce({ maxAgeDays: 7 })).toEqual(dry);
});

test("an entry with a blob missing or changed is useless and goes", async () => {
  await exportOf("whole", 1, ["fine"]);
  const lost = await exportOf("lost", 1, ["gone"]);
  const changed = await exportOf("changed", 1, ["c"]);
  await rm(join(directory, "blobs/sha256", lost.slice(7)));
  await writeFile(
    join(directory, "blobs/sha256", changed.slice(7)),
    '{"schemaVersion":2,"manifests":[]}',
  );
  const result = await enforce();
  expect(result.removed.map(({ name, reason }) => `${name} ${reason}`)).toEqual([
    "lost damaged",
    "changed damaged",
  ]);
  expect(await reachable()).toHaveLength(3);
});

test.each([
  ["no JSON", "{"],
  ["no index", '{"config":{}}'],
  ["a path for a digest", '{"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}'],
  ["more than anybody needs", `{"manifests":[],"x":"${"x".repeat(5_000_000)}"}`],
])("an index that is %s is left alone with everything else", async (_, text) => {
  await exportOf("latest", 30, ["x"]);
  await writeFile(join(directory, "index.json"), text);
  const result = await enforce({ maxAgeDays: 1, maxBytes: 1 });
  expect(result).toMatchObject({ removed: [], prunedBlobs: 0, reason: expect.any(String) });
  expect(await blobs()).toHaveLength(3);
});

test("links lead nowhere", async () => {
  await mkdir(join(room, "precious"));
  await writeFile(join(room, "precious", "a".repeat(64)), "mine");
  await utimes(join(room, "precious", "a".repeat(64)), daysAgo(9), daysAgo(9));
  await mkdir(join(directory, "blobs"), { recursive: true });
  await symlink(join(room, "precious"), join(directory, "blobs/sha256"));
  expect(await enforce({ maxAgeDays: 1, maxBytes: 1 })).toMatchObject({ prunedBlobs: 0 });
  await symlink(join(room, "precious"), join(directory, "index.json"));
  expect(await enforce({ maxAgeDays: 1 })).toMatchObject({ reason: "is not a file" });
  expect(await readdir(join(room, "precious"))).toHaveLength(1);
});

test("a cache that is being exported into, or cleaned by somebody else, is left alone", async () => {
  await exportOf("latest", 30, ["x"]);
  await mkdir(join(directory, "ingest/abc"), { recursive: true });
  await writeFile(join(directory, "ingest/abc/data"), "half");
  expect(await enforce({ maxAgeDays: 7 })).toMatchObject({ reason: "it is being written" });
  await utimes(join(directory, "ingest/abc/data"), daysAgo(1), daysAgo(1));

  await writeFile(join(directory, "index.json.lock"), "");
  expect(await enforce({ maxAgeDays: 7 })).toMatchObject({ reason: "it is being written" });
  await rm(join(directory, "index.json.lock"));

  {
    await using _lock = await tryLockCache(directory);
    expect(await enforce({ maxAgeDays: 7 })).toMatchObject({
      reason: "another process is cleaning it",
    });
  }
  expect(await enforce({ maxAgeDays: 7 })).toMatchObject({ entriesBefore: 1, prunedBlobs: 3 });
  expect(await readdir(join(directory, "ingest"))).toEqual([]);
  expect(await readdir(room)).toEqual(["e3a12384ea7e3d36"]);
});

test("no directory is no cache yet", async () => {
  expect(await enforce({ maxAgeDays: 1 })).toMatchObject({
    entriesBefore: 0,
    reason: "cache dir does not exist (no prior cache)",
  });
});

test("an abort removes nothing", async () => {
  await exportOf("latest", 30, ["x"]);
  const stopped = AbortSignal.abort(new Error("stop"));
  await expect(
    enforceLocalRetention({ directory, maxAgeMs: DAY, maxBytes: 0, signal: stopped }),
  ).rejects.toThrow("stop");
  expect(await blobs()).toHaveLength(3);
});

test("whatever exports there were, what stays is whole, fits, and nothing else is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          name: fc.constantFrom("latest", "a", "b"),
          days: fc.integer({ min: 1, max: 20 }),
          layers: fc.array(fc.constantFrom("x", "y", "zz", "www"), { maxLength: 3 }),
          imageManifest: fc.boolean(),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      fc.integer({ min: 0, max: 3000 }),
      async (exports, maxBytes) => {
        await rm(directory, { recursive: true, force: true });
        for (const { name, days, layers, imageManifest } of exports) {
          await exportOf(name, days, layers, imageManifest);
        }
        const result = await enforce({ maxAgeDays: 10, maxBytes });
        const index = await stat(join(directory, "index.json")).catch(() => undefined);
        expect(await blobs()).toEqual(index === undefined ? [] : await reachable());
        if (maxBytes > 0) expect(result.bytesAfter).toBeLessThanOrEqual(maxBytes);
      },
    ),
    { numRuns: 40 },
  );
});

test("an export of a wanted size has that size", async () => {
  await exportSizedCache(directory, { name: "n", at: daysAgo(1), totalBytes: 1024 });
  expect((await enforce()).bytesAfter).toBe(1024);
});
