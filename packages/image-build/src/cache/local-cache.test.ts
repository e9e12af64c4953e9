import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exportLocalCache } from "../../test/fixtures/local-cache-layout.js";
import { probeLocalCache } from "./local-cache.js";

let room: string;
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "molecule-local-cache-"));
});
afterEach(async () => {
  await chmod(room, 0o700);
  await rm(room, { recursive: true, force: true });
});

test("the directory is made, written once to be sure, and left empty", async () => {
  const root = join(room, "bk");
  const cache = await probeLocalCache({ root, mount: room }, "org/app");
  expect(cache).toEqual({ kind: "available", directory: join(root, "e3a12384ea7e3d36") });
  expect(await readdir(join(root, "e3a12384ea7e3d36"))).toEqual([]);
});

test("a mount that is absent, or a file, is not made", async () => {
  const root = join(room, "absent", "bk");
  expect(await probeLocalCache({ root, mount: join(room, "absent") }, "org/app")).toEqual({
    kind: "unavailable",
    reason: expect.stringContaining("is not there"),
  });
  await writeFile(join(room, "file"), "");
  const cache = await probeLocalCache(
    { root: join(room, "file", "bk"), mount: join(room, "file") },
    "x",
  );
  expect(cache.kind).toBe("unavailable");
});

test("a place that exists and takes no files is unavailable, and says why", async () => {
  await writeFile(join(room, "file"), "");
  expect(await probeLocalCache({ root: join(room, "file"), mount: room }, "org/app")).toEqual({
    kind: "unavailable",
    reason: expect.stringMatching(/cannot be written \(E[A-Z]+\)/),
  });
});

test("no root is no cache", async () => {
  const cache = await probeLocalCache({ root: undefined, mount: undefined }, "org/app");
  expect(cache.kind).toBe("unavailable");
});

test("an index without the tag that builds read is written, and not read", async () => {
  const at = new Date();
  const content = { at, layers: [Buffer.from("x")], config: Buffer.from("{}") };
  const directory = join(room, "e3a12384ea7e3d36");
  await exportLocalCache(directory, { ...content, name: "other" });
  const cache = await probeLocalCache({ root: room, mount: undefined }, "org/app");
  expect(cache).toMatchObject({ kind: "available", unreadable: expect.stringContaining("latest") });
  await exportLocalCache(directory, { ...content, name: "latest" });
  expect(await probeLocalCache({ root: room, mount: undefined }, "org/app")).toEqual({
    kind: "available",
    directory,
  });
});
