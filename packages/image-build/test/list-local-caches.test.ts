import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { enforceLocalRetentionBelow, listLocalCaches } from "../src/cache/list-local-caches.js";
import { localCacheDirectory } from "../src/cache/local-cache.js";
import { repoHash } from "../src/cache/repository-hash.js";
import { exportLocalCache, exportSizedCache } from "./fixtures/local-cache-layout.js";

const signal = new AbortController().signal;
const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "molecule-caches-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

test("every repository's cache with its entries, sizes, and what nothing needs any more", async () => {
  const app = localCacheDirectory(root, "org/app");
  await exportSizedCache(app, { name: "latest", at: daysAgo(3), totalBytes: 1000 });
  await exportSizedCache(app, { name: "latest", at: daysAgo(1), totalBytes: 2000 });
  const broken = localCacheDirectory(root, "org/broken");
  await exportSizedCache(broken, { name: "latest", at: daysAgo(1), totalBytes: 1000 });
  await writeFile(join(broken, "index.json"), "{");

  const caches = await listLocalCaches(root, { signal });
  const of = (repositoryId: string): unknown =>
    caches.find(({ repositoryHash }) => repositoryHash === repoHash(repositoryId));
  expect(caches).toHaveLength(2);
  expect(of("org/app")).toMatchObject({
    directory: app,
    entries: [{ name: "latest", sizeBytes: 2000, damage: undefined }],
    sizeBytes: 3000,
    unreferencedBytes: 1000,
    problem: undefined,
  });
  expect(of("org/broken")).toMatchObject({
    entries: [],
    sizeBytes: 1000,
    unreferencedBytes: 0,
    problem: "index.json is no OCI index",
  });
});

test("only directories that are named like a repository count, and no links", async () => {
  await mkdir(join(root, "notes"));
  await mkdir(join(root, "e3a12384ea7e3d36.lock"));
  await mkdir(join(root, "elsewhere"));
  await symlink(join(root, "elsewhere"), join(root, "0123456789abcdef"));
  expect(await listLocalCaches(root, { signal })).toEqual([]);
  expect(await listLocalCaches(join(root, "absent"), { signal })).toEqual([]);
});

test("the rule holds for each cache below a root by itself", async () => {
  for (const repositoryId of ["a", "b"]) {
    const directory = localCacheDirectory(root, repositoryId);
    await exportSizedCache(directory, { name: "old", at: daysAgo(9), totalBytes: 1000 });
    await exportSizedCache(directory, { name: "latest", at: daysAgo(1), totalBytes: 1000 });
  }
  const results = await enforceLocalRetentionBelow(root, { maxAgeMs: 0, maxBytes: 1500, signal });
  expect(results.map(({ prunedBytes, bytesAfter }) => [prunedBytes, bytesAfter])).toEqual([
    [1000, 1000],
    [1000, 1000],
  ]);
});

test("several that clean one cache at once leave what one alone would", async () => {
  const directory = localCacheDirectory(root, "a");
  for (let age = 1; age <= 12; age++) {
    await exportLocalCache(directory, {
      name: `n${age}`,
      at: daysAgo(age),
      layers: [Buffer.from("shared"), Buffer.from(`layer ${age}`)],
      config: Buffer.from(`{"n":${age}}`),
    });
  }
  const rule = { maxAgeMs: 6.5 * 86_400_000, maxBytes: 0, signal };
  const results = await Promise.all(
    Array.from({ length: 5 }, () => enforceLocalRetentionBelow(root, rule)),
  );
  const done = results.flat().filter(({ reason }) => reason === undefined);
  expect(done.flatMap(({ removed }) => removed)).toHaveLength(6);
  const [cache] = await listLocalCaches(root, { signal });
  expect(cache?.entries).toHaveLength(6);
  expect(cache?.entries.every(({ damage }) => damage === undefined)).toBe(true);
  expect(cache?.unreferencedBytes).toBe(0);
});
