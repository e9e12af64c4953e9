import { mkdir, readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { LABELS, ProvisionerError, systemClock } from "@molecule-ai/core";
import { describe, expect, test } from "vitest";
import type { CollectedItem, CollectOptions, LocalBuildSource } from "../src/index.js";
import { createHostLocks } from "../src/internal/host-lock.js";
import { openRoom, type Room } from "./fixtures/room.js";

const REPOSITORY = "molecule-local/workspace-template-langgraph";

/** Two builds, the first of them past every limit, and a source with those limits. */
async function twoBuilds(): Promise<{
  room: Room;
  source: LocalBuildSource;
  first: { imageId: string; path: string; revision: string };
  second: { imageId: string; path: string };
}> {
  const room = await openRoom();
  const collection = { maxAgeMs: 1000, keepPerRuntime: 1, maxBytes: 1, graceMs: 500 };
  const source = room.source({ settings: { ...room.settings(), collection } });
  const first = await source.ensure("langgraph");
  await room.repository.commit({ a: "1" });
  const second = await source.ensure("langgraph");
  const longAgo = Date.now() - 10_000;
  for (const image of room.engine.stored) image.createdAt = longAgo;
  for (const { templatePath = "" } of [first, second]) {
    await utimes(`${templatePath}.json`, longAgo / 1000, longAgo / 1000);
  }
  return {
    room,
    source,
    first: {
      imageId: first.imageId,
      path: first.templatePath ?? "",
      revision: first.revision ?? "",
    },
    second: { imageId: second.imageId, path: second.templatePath ?? "" },
  };
}

function fates(items: readonly CollectedItem[]): Record<string, string> {
  return Object.fromEntries(items.map((item) => [`${item.kind} ${item.name}`, item.action]));
}

describe("a collection", () => {
  test("removes what is past the limits, keeps the newest, and tells what, how much and why", async () => {
    const { room, source, first, second } = await twoBuilds();
    await using _room = room;
    const events: CollectedItem[] = [];
    const result = await source.collect({ dryRun: false, onEvent: (item) => events.push(item) });
    expect(events).toEqual(result.items);
    expect(fates(result.items)).toEqual({
      [`image ${REPOSITORY}:${first.revision.slice(0, 12)}`]: "removed",
      [`image ${room.engine.tagsOf(second.imageId)[0]}`]: "kept",
      [`checkout ${first.path}`]: "removed",
      [`checkout ${second.path}`]: "kept",
    });
    for (const item of result.items) expect(item.reason).not.toBe("");
    expect(result.freedBytes).toBeGreaterThan(1000);
    expect(result.keptBytes).toBeGreaterThan(1000);
    expect(room.engine.stored.map((image) => image.id)).toEqual([second.imageId]);
    expect((await readdir(join(room.cacheDirectory, "langgraph"))).sort()).toEqual(
      [second.path.slice(-12), `${second.path.slice(-12)}.json`].sort(),
    );
  });

  test("that is only tried tells the same and touches nothing", async () => {
    const { room, source } = await twoBuilds();
    await using _room = room;
    const before = [await room.cached(), room.engine.stored.length];
    await rm(join(room.cacheDirectory, ".locks"), { recursive: true });
    const dry = await source.collect({ dryRun: true });
    expect([await room.cached(), room.engine.stored.length]).toEqual(before);
    expect(await readdir(room.cacheDirectory)).not.toContain(".locks");
    const real = await source.collect({ dryRun: false });
    expect(real.items).toEqual(dry.items);
  });

  test("never takes an image a container was made from, running or not", async () => {
    const { room, source, first } = await twoBuilds();
    await using _room = room;
    room.engine.addContainer("ws-old", first.imageId);
    const { items } = await source.collect({ dryRun: false });
    expect(items.find((item) => item.revision === first.revision)).toMatchObject({
      action: "kept",
      reason: "used by container ws-old",
    });
    expect(room.engine.stored).toHaveLength(2);
    expect(await readdir(join(room.cacheDirectory, "langgraph"))).toHaveLength(4);
  });

  test("leaves a runtime alone that another process is building", async () => {
    const { room, source } = await twoBuilds();
    await using _room = room;
    const locks = createHostLocks({
      directory: join(room.cacheDirectory, ".locks"),
      staleMs: 2000,
      clock: systemClock,
    });
    await mkdir(join(room.cacheDirectory, "langgraph/.new-going-on"));
    await using _lock = await locks.acquire("langgraph", { signal: new AbortController().signal });
    for (const dryRun of [true, false]) {
      const { items } = await source.collect({ dryRun });
      expect(new Set(items.map((item) => item.action))).toEqual(new Set(["kept"]));
      expect(items.every((item) => item.reason.includes("being built"))).toBe(true);
    }
  });

  test("takes no image of another install, no foreign one, and no foreign name", async () => {
    const { room, source, first } = await twoBuilds();
    await using _room = room;
    const labels = room.engine.stored[0]?.labels ?? {};
    const createdAt = 0;
    const kept = [
      room.engine.add({
        tags: [`${REPOSITORY}:${"0".repeat(12)}`],
        labels: { ...labels, [LABELS.builtBy]: "other" },
        createdAt,
      }),
      room.engine.add({ tags: [`${REPOSITORY}:${"1".repeat(12)}`], labels: {}, createdAt }),
      room.engine.add({ tags: ["my/derived:1"], labels, createdAt }),
    ];
    await room.engine.engine.images.tag(first.imageId, "my/own:name");
    const { items } = await source.collect({ dryRun: false });
    const left = room.engine.stored.map((image) => image.id);
    for (const id of [...kept, first.imageId]) expect(left).toContain(id);
    expect(items.find((item) => item.revision === first.revision)?.reason).toContain("my/own:name");
  });

  test("removes what an interrupted checkout left", async () => {
    await using room = await openRoom();
    const source = room.source();
    const leftover = join(room.cacheDirectory, "langgraph/.new-crashed");
    await mkdir(leftover, { recursive: true });
    const { items } = await source.collect({ dryRun: false });
    expect(fates(items)).toEqual({ [`leftover ${leftover}`]: "removed" });
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("goes on when the engine refuses one, and says so", async () => {
    const { room, source, first } = await twoBuilds();
    await using _room = room;
    room.engine.before = (call) => {
      if (call.startsWith("remove")) throw new ProvisionerError("ERR_ENGINE_CONFLICT", "in use");
    };
    const { items } = await source.collect({ dryRun: false });
    expect(items.find((item) => item.revision === first.revision)).toMatchObject({
      action: "failed",
      reason: "ERR_ENGINE_CONFLICT: in use",
    });
    expect(items).toHaveLength(4);
  });

  test("stops when it is aborted", async () => {
    const { room, source } = await twoBuilds();
    await using _room = room;
    const reason = new Error("enough");
    const options: CollectOptions = { dryRun: false, signal: AbortSignal.abort(reason) };
    await expect(source.collect(options)).rejects.toBe(reason);
    expect(room.engine.stored).toHaveLength(2);
  });
});

test("images are listed with commits, names, use and files", async () => {
  const { room, source, first, second } = await twoBuilds();
  await using _room = room;
  const again = await room.repository.commit({});
  await source.ensure("langgraph");
  room.engine.addContainer("ws-1", first.imageId);
  const images = await source.images();
  expect(images.map((image) => image.imageId)).toEqual([second.imageId, first.imageId]);
  expect(images[0]).toMatchObject({ runtime: "langgraph", latest: true, usedBy: [] });
  expect(images[0]?.revisions).toContain(again);
  expect(images[1]).toMatchObject({
    ref: `${REPOSITORY}:${first.revision.slice(0, 12)}`,
    revision: first.revision,
    source: room.repository.url,
    latest: false,
    usedBy: ["ws-1"],
    checkoutPath: first.path,
    sizeBytes: 1000,
  });
});
