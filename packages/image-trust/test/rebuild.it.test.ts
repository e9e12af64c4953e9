import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder } from "@molecule-ai/image-build";
import { busyboxImage, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readImage } from "../src/rebuild/read-image.js";
import { rebuildAndCompare } from "../src/rebuild/rebuild.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("rebuildAndCompare", () => {
  let engine: DockerEngine;
  let base: string;
  let directory: string;
  beforeAll(async () => {
    const settings = engineSettingsFromEnv(
      { DOCKER_HOST: found.dockerHost },
      { homeDirectory: homedir(), platform: process.platform },
    );
    engine = await connectEngine({ settings });
    base = await busyboxImage(found.socketPath ?? "");
    directory = await mkdtemp(join(tmpdir(), "molecule-rebuild-"));
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await writeFile(join(directory, "agent.txt"), "hello\n");
  });

  const rebuild = async (
    dockerfile: string,
    build: { readonly rewriteTimestamps?: boolean } = {},
  ) => {
    await writeFile(join(directory, "Dockerfile"), dockerfile);
    const builder = createImageBuilder({ engine });
    return rebuildAndCompare({
      build: { context: { kind: "directory", path: directory }, ...build },
      first: { engine, builder },
    });
  };
  const leftOver = async (run: string) =>
    (await engine.images.list()).flatMap(({ tags }) => tags).filter((tag) => tag.includes(run));

  it("calls a build deterministic when only times differ, and says so of each file", async () => {
    const report = await rebuild(`FROM ${base}\nRUN echo same > /made\n`);
    expect(report.level).toBe("deterministic");
    expect(report.images[0]).not.toBe(report.images[1]);
    expect(report.comparison.config.map(({ field }) => field)).toContain("created");
    expect(await leftOver(report.run)).toEqual([]);
  });

  it("calls it reproducible when the times are those of the source", async () => {
    const report = await rebuild(`FROM ${base}\nRUN date > /dev/null && echo same > /made\n`, {
      rewriteTimestamps: true,
    });
    expect(report.level).toBe("reproducible");
    expect(report.checks.map(({ name, status }) => [name, status])).toEqual([
      ["image", "match"],
      ["files", "match"],
      ["settings", "match"],
      ["build graph", "match"],
      ["base images", "match"],
    ]);
    expect(report.images[0]).toBe(report.images[1]);
    expect(report.comparison).toMatchObject({ isIdentical: true, files: [], config: [] });
    expect(await leftOver(report.run)).toEqual([]);
  });

  it("finds the file whose content differs", async () => {
    const report = await rebuild(
      `FROM ${base}\nCOPY agent.txt /agent.txt\nRUN cat /proc/sys/kernel/random/uuid > /made\n`,
    );
    expect(report.level).toBe("consistent");
    expect(report.comparison.files).toContainEqual(
      expect.objectContaining({ path: "made", kinds: expect.arrayContaining(["content"]) }),
    );
    expect(report.comparison.files.map(({ path }) => path)).not.toContain("agent.txt");
    expect(report.checks.find(({ name }) => name === "files")?.detail).toContain("made");
  });

  it("runs side by side with itself and leaves no image behind", async () => {
    const reports = await Promise.all([
      rebuild(`FROM ${base}\nRUN echo 1 > /made\n`),
      rebuild(`FROM ${base}\nRUN echo 1 > /made\n`),
    ]);
    for (const { run } of reports) expect(await leftOver(run)).toEqual([]);
    expect(new Set(reports.map(({ run }) => run)).size).toBe(2);
  });

  it("removes what it built when it is aborted between the two", async () => {
    await writeFile(join(directory, "Dockerfile"), `FROM ${base}\nRUN echo 2 > /made\n`);
    const abort = new AbortController();
    const builder = createImageBuilder({ engine });
    const namespace = uniqueName("rebuild");
    await expect(
      rebuildAndCompare({
        namespace,
        build: { context: { kind: "directory", path: directory } },
        first: { engine, builder },
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type === "rebuild.pass" && event.pass === 1 && event.status === "built") {
            abort.abort(new Error("stop"));
          }
        },
      }),
    ).rejects.toThrow("stop");
    const after = (await engine.images.list()).flatMap(({ tags }) => tags);
    expect(after.filter((tag) => tag.includes(namespace))).toEqual([]);
  });

  it("leaves nothing when a build fails", async () => {
    await expect(rebuild(`FROM ${base}\nRUN exit 3\n`)).rejects.toMatchObject({
      code: "ERR_BUILD_FAILED",
    });
  });

  it("refuses a tar, which can be sent only once", async () => {
    await expect(
      rebuildAndCompare({
        build: { context: { kind: "tar", stream: Readable.from([]) } },
        first: { engine, builder: createImageBuilder({ engine }) },
      }),
    ).rejects.toMatchObject({ code: "ERR_TRUST_IMAGE_UNREADABLE" });
  });

  it("takes an image apart down to the hash of every file", async () => {
    const contents = await readImage(await engine.images.save([base]));
    expect(contents.id).toBe((await engine.images.inspect(base))?.id);
    expect(contents.layers.flatMap(({ entries }) => entries)).toContainEqual(
      expect.objectContaining({ path: "bin/busybox", type: "file", uid: 0 }),
    );
  });

  it("refuses what is no archive of an image, and stops at its limits", async () => {
    await expect(readImage(Readable.from([Buffer.alloc(4096, 7)]))).rejects.toMatchObject({
      code: "ERR_TRUST_IMAGE_UNREADABLE",
    });
    await expect(
      readImage(await engine.images.save([base]), { limits: { entries: 1, bytes: 1e9 } }),
    ).rejects.toMatchObject({ code: "ERR_TRUST_IMAGE_UNREADABLE" });
  });
});
