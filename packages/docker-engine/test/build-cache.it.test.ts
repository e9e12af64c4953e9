import { busyboxImage, startFaultProxy, uniqueName } from "@molecule-ai/testkit";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readProgressStream, type BuildCacheRecord, type DockerEngine } from "../src/index.js";
import { connect, label, skip, socketPath } from "./setup.js";

describe.skipIf(skip)("the build cache", () => {
  // Stands in the description of every record that these tests make.
  const mark = uniqueName("cache");
  let engine: DockerEngine;

  beforeAll(async () => {
    engine = await connect();
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  const own = async (): Promise<BuildCacheRecord[]> =>
    (await engine.buildCache.list()).filter((record) => record.description.includes(mark));

  async function build(): Promise<void> {
    const tar = pack();
    const [key, value] = label.split("=");
    const base = await busyboxImage(socketPath);
    const run = `RUN head -c 100000 /dev/zero >/${mark}`;
    tar.entry({ name: "Dockerfile" }, `FROM ${base}\n${run}\nLABEL ${key}=${value}\n`);
    tar.finalize();
    const subject = "Build";
    const { body } = await engine.request({
      method: "POST",
      path: "/build",
      query: { version: "2", t: `molecule-test/${mark}:1` },
      headers: { "Content-Type": "application/x-tar" },
      body: Readable.from(tar),
      subject,
    });
    for await (const message of readProgressStream(body, { subject })) void message;
  }

  it("tells what its records are, and removes exactly one when asked", async () => {
    await build();
    const [record, ...others] = await own();
    expect(others).toEqual([]);
    expect(record).toMatchObject({ type: "regular", inUse: false, shared: true });
    expect(record?.sizeBytes).toBeGreaterThanOrEqual(100_000);
    expect(record?.createdAt).toBeGreaterThan(Date.now() - 60_000);
    expect(record?.lastUsedAt).toBeGreaterThanOrEqual(record?.createdAt ?? 0);
    const { id } = record as BuildCacheRecord;

    expect(await engine.buildCache.prune({ ids: [], all: true })).toEqual({
      reclaimedBytes: 0,
      removed: [],
    });
    // Shared with the image, so only `all` means it too.
    expect(await engine.buildCache.prune({ ids: [id] })).toEqual({
      reclaimedBytes: 0,
      removed: [],
    });
    expect(await engine.buildCache.prune({ ids: [id.slice(0, -1)], all: true })).toMatchObject({
      removed: [],
    });
    expect(
      await engine.buildCache.prune({ ids: [id], all: true, unusedForMs: 3_600_000 }),
    ).toMatchObject({
      removed: [],
    });
    expect(await engine.buildCache.prune({ ids: ["absent", id], all: true })).toMatchObject({
      removed: [id],
    });
    expect(await own()).toEqual([]);
  });

  it("is pruned by the limits the engine's API knows, and by no other", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const answer = { CachesDeleted: null, SpaceReclaimed: 5 };
    proxy.add({
      path: /\/build\/prune/,
      fault: { kind: "answer", status: 200, body: JSON.stringify(answer) },
    });
    const asked = (): Record<string, string> => {
      const path = proxy.requests.at(-1)?.path ?? "";
      return Object.fromEntries(new URLSearchParams(path.slice(path.indexOf("?"))));
    };
    const limits = { keepBytes: 10.5, maxUsedBytes: 20, minFreeBytes: 30 };

    await using old = await connect({ DOCKER_HOST: proxy.dockerHost, DOCKER_API_VERSION: "1.41" });
    expect(await old.buildCache.prune({ keepBytes: 10, unusedForMs: 45_000 })).toEqual({
      reclaimedBytes: 5,
      removed: [],
    });
    expect(asked()).toEqual({ "keep-storage": "10", filters: '{"until":["45000ms"]}' });
    await expect(old.buildCache.prune(limits)).rejects.toMatchObject({
      code: "ERR_ENGINE_UNSUPPORTED",
    });

    await using later = await connect({
      DOCKER_HOST: proxy.dockerHost,
      DOCKER_API_VERSION: "1.48",
    });
    await later.buildCache.prune({ ...limits, all: true });
    expect(asked()).toEqual({
      all: "1",
      "reserved-space": "10",
      "max-used-space": "20",
      "min-free-space": "30",
    });
  });
});

describe.skipIf(skip)("the engine's store", () => {
  it("is told by what the engine says of its driver", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const containerd = {
      Driver: "overlayfs",
      DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    };
    await using real = await connect();
    expect((await real.info()).containerdStore).toBe(false);
    proxy.add({
      path: /\/info$/,
      fault: { kind: "answer", status: 200, body: JSON.stringify(containerd) },
    });
    await using engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    expect((await engine.info()).containerdStore).toBe(true);
  });
});
