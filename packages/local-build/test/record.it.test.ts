import { LABELS } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder, type ImageBuilder } from "@molecule-ai/image-build";
import {
  busyboxImage,
  cleanupEngine,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
  uniqueName,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildRecorder, RecordedBuild } from "../src/index.js";
import { openRoom, type Room } from "./fixtures/room.js";

const found = await findTestEngine();
const registryProgram = await findTestRegistry();

describe.skipIf((found.skip ?? registryProgram.skip) !== undefined)("a recorder", () => {
  const installId = uniqueName("it");
  let engine: DockerEngine;
  let base: string;
  beforeAll(async () => {
    base = await busyboxImage(found.socketPath ?? "");
    engine = await connectEngine({
      settings: engineSettingsFromEnv(
        { DOCKER_HOST: found.dockerHost },
        { homeDirectory: "/nonexistent", platform: process.platform },
      ),
    });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await cleanupEngine(found.socketPath ?? "", `${LABELS.builtBy}=${installId}`);
  });

  const open = (): Promise<Room> =>
    openRoom({
      runtime: uniqueName("it"),
      files: {
        Dockerfile: `FROM ${base}\nRUN echo hi > /made\n`,
        "config.yaml": `id: ${uniqueName("x")}\n`,
      },
    });

  test("is told of a build and of its push, and not of an image that was there", async () => {
    await using registry = await startTestRegistry();
    await using room = await open();
    const builds: RecordedBuild[] = [];
    const pushes: [string, string][] = [];
    const recorder: BuildRecorder = {
      built: async (build) => builds.push(build),
      pushed: async (imageId, reference) => pushes.push([imageId, reference]),
    };
    const source = room.source(
      { engine, builder: createImageBuilder({ engine }), installId, recorder },
      { MOLECULE_LOCAL_BUILD_PUSH: `${registry.host}/team` },
    );
    const before = Date.now();
    const image = await source.ensure(room.runtime);
    expect(builds).toEqual([
      {
        imageId: image.imageId,
        tags: [image.ref],
        source: {
          repository: room.repository.url,
          ref: undefined,
          commit: image.revision,
          tree: image.tree,
        },
        files: expect.stringContaining(room.cacheDirectory),
        dockerfile: "Dockerfile",
        buildArgs: undefined,
        parameters: { runtime: room.runtime, platform: "native", settings: expect.any(String) },
        startedAt: expect.any(Number),
        finishedAt: expect.any(Number),
      },
    ]);
    expect(builds[0]?.startedAt).toBeGreaterThanOrEqual(before);
    expect(pushes).toEqual([
      [
        image.imageId,
        expect.stringMatching(new RegExp(`^${registry.host}/team/.+@${image.digest ?? ""}$`)),
      ],
    ]);
    await source.ensure(room.runtime);
    expect(builds).toHaveLength(1);
    expect(pushes).toHaveLength(1);
  });

  test("that fails is a warning, and the image is there", async () => {
    await using room = await open();
    const recorder: BuildRecorder = {
      built: () => Promise.reject(new Error("disk full")),
      pushed: () => Promise.resolve(),
    };
    const source = room.source({
      engine,
      builder: createImageBuilder({ engine }),
      installId,
      recorder,
    });
    const image = await source.ensure(room.runtime, { onEvent: room.onEvent });
    expect(image.outcome).toBe("built");
    expect(room.events).toContainEqual(
      expect.objectContaining({
        type: "warning",
        code: "WARN_LOCAL_BUILD_RECORD",
        message: expect.stringContaining("disk full"),
      }),
    );
  });

  test("finds the same image when a template is built again to the byte", async () => {
    await using room = await open();
    const env = { MOLECULE_LOCAL_BUILD_REPRODUCIBLE: "true" };
    const ids: string[] = [];
    const cached = createImageBuilder({ engine });
    const builder: ImageBuilder = {
      ...cached,
      // From the cache it would be the same anyway.
      build: (options) => cached.build({ ...options, noCache: true }),
    };
    for (const _ of [1, 2]) {
      const source = room.source({ engine, builder, installId }, env);
      const image = await source.ensure(room.runtime);
      ids.push(image.imageId);
      for (const tag of (await engine.images.inspect(image.imageId))?.tags ?? []) {
        await engine.images.remove(tag);
      }
    }
    expect(ids[0]).toBe(ids[1]);
  });
});
