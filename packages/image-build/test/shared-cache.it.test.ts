import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildEvent } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import {
  busyboxImage,
  findSecondEngine,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startSecondEngine,
  startTestRegistry,
  uniqueName,
  type SecondEngine,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createImageBuilder, type BuildResult } from "../src/index.js";

const found = await findTestEngine();
const second = await findSecondEngine();
const registryFound = await findTestRegistry();
const skip = found.skip ?? second.skip ?? registryFound.skip;

describe.skipIf(skip !== undefined)("a cache that two engines share through a registry", () => {
  const auth = { username: "builder", password: "s3cret-of-the-cache" };
  let registry: TestRegistry;
  let open: TestRegistry;
  let other: SecondEngine;
  let here: DockerEngine;
  let there: DockerEngine;
  let base: string;
  let directory: string;

  const connect = (dockerHost: string, withCredentials = true): Promise<DockerEngine> => {
    const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    const config = { auths: { [registry.host]: { auth: basic } } };
    return connectEngine({
      settings: engineSettingsFromEnv(
        {
          DOCKER_HOST: dockerHost,
          ...(withCredentials ? { DOCKER_AUTH_CONFIG: JSON.stringify(config) } : {}),
        },
        { homeDirectory: "/nonexistent", platform: process.platform },
      ),
    });
  };

  beforeAll(async () => {
    registry = await startTestRegistry({ auth });
    open = await startTestRegistry();
    other = await startSecondEngine();
    here = await connect(found.dockerHost ?? "");
    there = await connect(other.dockerHost);
    base = `${open.host}/${uniqueName("base")}:1`;
    await pushImage(found.socketPath ?? "", await busyboxImage(found.socketPath ?? ""), base);
  });
  afterAll(async () => {
    await here.images.remove(base);
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await open[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "shared-cache-"));
    const nonce = uniqueName("n");
    await writeFile(join(directory, "file"), "the same on both\n");
    await writeFile(
      join(directory, "Dockerfile"),
      `FROM ${base}\nRUN echo ${nonce} > /slow\nCOPY file /file\nRUN cat /slow /file > /both\n`,
    );
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const events: BuildEvent[] = [];
  async function build(
    engine: DockerEngine,
    refs: { readonly from?: string[]; readonly to?: string },
    signal?: AbortSignal,
  ): Promise<BuildResult> {
    events.length = 0;
    const tag = `${uniqueName("molecule-test/shared")}:1`;
    try {
      return await createImageBuilder({ engine }).build({
        context: { kind: "directory", path: directory },
        tags: [tag],
        labels: { "molecule.test": "true" },
        cache: {
          imports: (refs.from ?? []).map((ref) => ({ type: "registry", ref, direction: "import" })),
          exports:
            refs.to === undefined ? [] : [{ type: "registry", ref: refs.to, direction: "export" }],
        },
        signal,
        onEvent: (event) => events.push(event),
      });
    } finally {
      await engine.images.remove(tag);
    }
  }
  const warnings = (): string[] =>
    events.flatMap((event) => (event.type === "warning" ? [event.code] : []));

  /** Images that have a tag or a digest in the repository of a reference. */
  async function namedIn(engine: DockerEngine, ref: string): Promise<string[]> {
    const repository = ref.slice(0, ref.lastIndexOf(":"));
    const names = (await engine.images.list()).flatMap(({ tags, digests }) => [
      ...tags,
      ...digests,
    ]);
    return names.filter((name) => name.startsWith(repository));
  }

  it("gives the second engine every step that the first has done", async () => {
    const ref = `${registry.host}/${uniqueName("cache")}:main`;
    const cold = await build(here, { from: [ref], to: ref });
    expect(cold).toMatchObject({ steps: 3, cachedSteps: 0 });
    expect(cold.cache).toMatchObject({
      mode: "shared",
      result: "miss",
      imports: [{ ref, verdict: "miss" }],
      exports: [{ ref, outcome: "exported" }],
    });
    // That there is no cache yet is nothing to warn of.
    expect(warnings()).toEqual([]);
    expect(await here.images.inspect(ref)).toBeUndefined();

    const warm = await build(there, { from: [ref], to: ref });
    expect(warm).toMatchObject({ steps: 3, cachedSteps: 3 });
    for (const engine of [here, there]) expect(await namedIn(engine, ref)).toEqual([]);
    expect(warm.cache).toMatchObject({
      result: "hit",
      imports: [{ ref, verdict: "hit" }],
      exports: [{ ref, outcome: "exported" }],
    });
    expect(warnings()).toEqual([]);
    expect(await there.images.inspect(ref)).toBeUndefined();
  });

  it("is still whole when the engine that used it has exported it again", async () => {
    const ref = `${registry.host}/${uniqueName("cache")}:main`;
    await build(here, { to: ref });
    await build(there, { from: [ref], to: ref });
    expect(await namedIn(there, ref)).toEqual([]);
    await using third = await startSecondEngine();
    await using engine = await connect(third.dockerHost);
    expect(await build(engine, { from: [ref] })).toMatchObject({ cachedSteps: 3 });
  });

  it("is left out, with a warning, where the registry refuses it", async () => {
    const ref = `${registry.host}/${uniqueName("cache")}:main`;
    await using stranger = await connect(found.dockerHost ?? "", false);
    const result = await build(stranger, { from: [ref], to: ref });
    expect(result.cache).toMatchObject({
      imports: [{ ref, verdict: "miss" }],
      exports: [{ ref, outcome: "refused" }],
    });
    expect(warnings()).toEqual(["WARN_BUILD_CACHE", "WARN_BUILD_CACHE"]);
    expect(await stranger.images.inspect(ref)).toBeUndefined();
  });

  it("leaves an image alone that had the name before", async () => {
    const ref = `${registry.host}/${uniqueName("cache")}:main`;
    await here.images.tag(base, ref);
    try {
      const before = await here.images.inspect(ref);
      await build(here, { from: [ref], to: ref });
      expect((await here.images.inspect(ref))?.id).toBe(before?.id);
      expect(await namedIn(here, ref)).toEqual([ref]);
    } finally {
      await here.images.remove(ref);
    }
  });

  it("has nothing to do with a build that is aborted while it is pushed", async () => {
    const ref = `${registry.host}/${uniqueName("cache")}:main`;
    const abort = new AbortController();
    const reason = new Error("enough");
    // Nobody else has images on the second engine.
    const before = (await there.images.list()).length;
    const building = build(there, { to: ref }, abort.signal);
    await expect
      .poll(
        () => {
          const pushes = events.some(
            (event) =>
              event.type === "build.vertex" && event.name === "exporting cache to registry",
          );
          if (pushes) abort.abort(reason);
          return pushes;
        },
        { interval: 1 },
      )
      .toBe(true);
    await expect(building).rejects.toBe(reason);
    expect(await there.images.inspect(ref)).toBeUndefined();
    expect((await there.images.list()).length).toBeLessThanOrEqual(before);
  });
});
