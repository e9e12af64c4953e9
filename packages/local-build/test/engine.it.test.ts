import { join } from "node:path";
import { LABELS, type ProvisionEvent, type ProvisionerError } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder } from "@molecule-ai/image-build";
import type { ResolvedImage } from "@molecule-ai/registry-mode";
import { busyboxImage, cleanupEngine, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalBuildOptions, LocalBuildSource } from "../src/index.js";
import type { EnsureProcessOptions } from "./fixtures/ensure-image.js";
import { openRoom, type Room } from "./fixtures/room.js";
import { runScript } from "./fixtures/run-script.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("on a real engine", () => {
  const socketPath = found.socketPath ?? "";
  const installId = uniqueName("it");
  let engine: DockerEngine;
  let base: string;

  beforeAll(async () => {
    base = await busyboxImage(socketPath);
    engine = await connectEngine({
      settings: engineSettingsFromEnv(
        { DOCKER_HOST: found.dockerHost },
        { homeDirectory: "/nonexistent", platform: process.platform },
      ),
    });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await cleanupEngine(socketPath, `${LABELS.builtBy}=${installId}`);
  });

  function open(dockerfile: string): Promise<Room> {
    return openRoom({
      runtime: uniqueName("it"),
      files: { Dockerfile: dockerfile, "config.yaml": `id: ${uniqueName("x")}\n` },
    });
  }

  function sourceOf(room: Room, overrides: Partial<LocalBuildOptions> = {}): LocalBuildSource {
    return room.source({
      engine,
      builder: createImageBuilder({ engine }),
      installId,
      ...overrides,
    });
  }

  test("a build, a hit, a re-tag and another platform are what they are", async () => {
    await using room = await open(`FROM ${base}\nCOPY . /app/\n`);
    const source = sourceOf(room);
    const built = await source.ensure(room.runtime);
    expect(built.outcome).toBe("built");
    const info = await engine.images.inspect(built.ref);
    expect(info?.id).toBe(built.imageId);
    expect(info?.labels).toMatchObject({
      [LABELS.revision]: built.revision,
      [LABELS.tree]: built.tree,
      [LABELS.source]: room.repository.url,
      [LABELS.builtBy]: installId,
    });
    // A container made from it by hand must not look like one of ours.
    expect(info?.labels).not.toHaveProperty([LABELS.install]);
    expect(info?.tags.toSorted()).toEqual(
      [built.ref, built.ref.replace(/:.*/, ":latest")].toSorted(),
    );

    expect(await source.ensure(room.runtime)).toEqual({ ...built, outcome: "present" });

    const sha = await room.repository.commit({});
    const retagged = await source.ensure(room.runtime);
    expect(retagged).toMatchObject({
      outcome: "retagged",
      revision: sha,
      imageId: built.imageId,
      tree: built.tree,
    });
    expect((await source.ensure(room.runtime)).outcome).toBe("present");
    expect((await engine.images.inspect(retagged.ref))?.id).toBe(built.imageId);

    const other = sourceOf(room, { platform: "linux/amd64" });
    expect((await other.ensure(room.runtime)).outcome).toBe("built");
    expect(await source.images()).toHaveLength(2);
  });

  test("the image holds the files of the commit and no trace of git", async () => {
    await using room = await open(
      `FROM ${base}\nCOPY . /app/\nRUN test -z "$(find /app -name '.git*')" && test -f /app/config.yaml\n`,
    );
    expect((await sourceOf(room).ensure(room.runtime)).outcome).toBe("built");
  });

  test("a failing RUN names the instruction and its exit code, and leaves nothing", async () => {
    await using room = await open(`FROM ${base}\nRUN echo about to fail && exit 7\n`);
    const events: ProvisionEvent[] = [];
    const error = await sourceOf(room)
      .ensure(room.runtime, { onEvent: (event) => events.push(event) })
      .then(
        () => undefined,
        (thrown: unknown) => thrown as ProvisionerError,
      );
    expect(error?.code).toBe("ERR_LOCAL_BUILD_FAILED");
    expect(JSON.stringify(error)).toContain("exit 7");
    expect(JSON.stringify(error)).toContain("about to fail");
    expect(await room.cached()).toEqual([room.runtime]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "build.log",
        line: expect.stringContaining("about to fail"),
      }),
    );
  });

  test("an abort in the middle of a RUN stops the build and tags nothing", async () => {
    await using room = await open(`FROM ${base}\nRUN echo sleeping && sleep 300\n`);
    const controller = new AbortController();
    const reason = new Error("enough");
    const ensured = sourceOf(room).ensure(room.runtime, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "build.log" && event.line.includes("sleeping")) controller.abort(reason);
      },
    });
    await expect(ensured).rejects.toBe(reason);
    expect(await room.cached()).toEqual([room.runtime]);
    expect(await engine.images.list({ labels: [`${LABELS.runtime}=${room.runtime}`] })).toEqual([]);
  });

  test("two processes build once: the other one waits and finds the image", async () => {
    await using room = await open(`FROM ${base}\nCOPY . /app/\nRUN sleep 2\n`);
    const options: EnsureProcessOptions = {
      dockerHost: found.dockerHost ?? "",
      cacheDirectory: room.cacheDirectory,
      repositoryPrefix: `${room.gitea.baseUrl}/${room.repository.owner}/template-`,
      runtime: room.runtime,
      installId,
    };
    const outputs = await Promise.all(
      [1, 2].map(async () => {
        const text = await runScript(import.meta.resolve("./fixtures/ensure-image.ts"), [
          JSON.stringify(options),
        ]);
        return JSON.parse(text) as { image: ResolvedImage; events: ProvisionEvent[] };
      }),
    );
    expect(outputs.map(({ image }) => image.outcome).sort()).toEqual(["built", "present"]);
    expect(new Set(outputs.map(({ image }) => image.imageId)).size).toBe(1);
    const waiter = outputs.find(({ image }) => image.outcome === "present");
    expect(waiter?.image.templatePath).toBe(
      join(room.cacheDirectory, room.runtime, waiter?.image.revision?.slice(0, 12) ?? ""),
    );
  });

  test("a collection spares the image of a stopped container, and takes it once that is gone", async () => {
    await using room = await open(`FROM ${base}\nCOPY . /app/\n`);
    const collection = { maxAgeMs: 1, keepPerRuntime: 1, maxBytes: 1, graceMs: 0 };
    const source = sourceOf(room, { settings: { ...room.settings(), collection } });
    const first = await source.ensure(room.runtime);
    await room.repository.commit({ a: "1" });
    const second = await source.ensure(room.runtime);
    const name = uniqueName("local-build");
    const { id } = await engine.containers.create({ Image: first.ref }, { name });
    try {
      const spared = await source.collect({ dryRun: false });
      expect(spared.items.find((item) => item.revision === first.revision)).toMatchObject({
        action: "kept",
        reason: `used by container ${name}`,
      });
      expect(await engine.images.inspect(first.ref)).toBeDefined();
    } finally {
      await engine.containers.remove(id, { force: true });
    }
    await source.collect({ dryRun: false });
    expect(await engine.images.inspect(first.ref)).toBeUndefined();
    expect(await engine.images.inspect(second.ref)).toBeDefined();
  });
});
