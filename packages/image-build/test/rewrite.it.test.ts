import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { busyboxImage, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import { rewriteTimestamps } from "../src/rewrite/rewrite-timestamps.js";

const found = await findTestEngine();
const EPOCH = Date.UTC(2026, 0, 1) / 1000;

describe.skipIf(found.skip !== undefined)("rewriteTimestamps", () => {
  let engine: DockerEngine;
  let directory: string;
  const made: string[] = [];
  beforeAll(async () => {
    const settings = engineSettingsFromEnv(
      { DOCKER_HOST: found.dockerHost },
      { homeDirectory: homedir(), platform: process.platform },
    );
    engine = await connectEngine({ settings });
    directory = await mkdtemp(join(tmpdir(), "molecule-rewrite-test-"));
    const base = await busyboxImage(found.socketPath ?? "");
    await writeFile(
      join(directory, "Dockerfile"),
      `FROM ${base}\nRUN mkdir -p /deep/er && echo hi > /deep/er/file && ln -s file /deep/er/link && ln /deep/er/file /deep/er/hard && mkfifo /deep/pipe && chmod 4755 /deep/er/file\nLABEL molecule.test=true\nCMD ["cat","/deep/er/file"]\n`,
    );
  });
  afterAll(async () => {
    for (const name of made) await engine.images.remove(name, { force: true });
    await rm(directory, { recursive: true, force: true });
    await engine[Symbol.asyncDispose]();
  });

  const build = async (): Promise<string> => {
    const tag = `${uniqueName("molecule-test/rewrite")}:1`;
    made.push(tag);
    const { imageId } = await createImageBuilder({ engine }).build({
      context: { kind: "directory", path: directory },
      tags: [tag],
      noCache: true,
    });
    return imageId ?? "";
  };
  const rewrite = async (imageId: string): Promise<string> => {
    const signal = AbortSignal.timeout(60_000);
    const id = await rewriteTimestamps({
      engine,
      imageId,
      epoch: EPOCH,
      signal,
      onProgress: () => {},
    });
    made.push(id);
    return id;
  };

  it("makes one image of two builds that differ in nothing but when they were made", async () => {
    const [one, other] = [await build(), await build()];
    expect(one).not.toBe(other);
    const [first, second] = [await rewrite(one), await rewrite(other)];
    expect(first).toBe(second);
    const image = await engine.images.inspect(first);
    expect(image?.createdAt).toBeLessThanOrEqual(EPOCH * 1000);
    expect(image?.cmd).toEqual(["cat", "/deep/er/file"]);
    expect(image?.labels).toMatchObject({ "molecule.test": "true" });
    expect(
      (await readdir(tmpdir())).filter(
        (name) => name.startsWith("molecule-rewrite-") && !name.includes("test"),
      ),
    ).toEqual([]);
  });

  it("is done by a build that asks for it, and leaves no other image behind", async () => {
    const label = uniqueName("molecule.rewrite");
    const ids: (string | undefined)[] = [];
    for (const _ of [1, 2]) {
      const tag = `${uniqueName("molecule-test/rewrite")}:1`;
      made.push(tag);
      const { imageId } = await createImageBuilder({ engine }).build({
        context: { kind: "directory", path: directory },
        tags: [tag],
        labels: { [label]: "1" },
        noCache: true,
        rewriteTimestamps: true,
        sourceDateEpoch: EPOCH,
      });
      ids.push(imageId);
    }
    expect(ids[0]).toBe(ids[1]);
    expect((await engine.images.list({ labels: [label] })).map(({ id }) => id)).toEqual([ids[0]]);
  });

  it("starts, with every kind of file as it was", async () => {
    const id = await rewrite(await build());
    const name = uniqueName("molecule-rewrite");
    await engine.containers.create(
      {
        Image: id,
        Cmd: ["sh", "-c", "stat -c '%n %F %a %h %Y' /deep/er/* /deep/pipe; cat /deep/er/link"],
        Labels: { "molecule.test": "true" },
      },
      { name },
    );
    try {
      await engine.containers.start(name);
      expect(await engine.containers.wait(name)).toBe(0);
      let output = "";
      for await (const { bytes } of engine.containers.logs(name)) output += bytes.toString("utf8");
      expect(output.split("\n")).toEqual([
        `/deep/er/file regular file 4755 2 ${EPOCH}`,
        `/deep/er/hard regular file 4755 2 ${EPOCH}`,
        `/deep/er/link symbolic link 777 1 ${EPOCH}`,
        `/deep/pipe fifo 644 1 ${EPOCH}`,
        "hi",
        "",
      ]);
    } finally {
      await engine.containers.remove(name, { force: true });
    }
  });

  it("stops on abort and leaves nothing in the temporary directory", async () => {
    const imageId = await build();
    const abort = new AbortController();
    const running = rewriteTimestamps({
      engine,
      imageId,
      epoch: EPOCH,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    expect(
      (await readdir(tmpdir())).filter(
        (name) => name.startsWith("molecule-rewrite-") && !name.includes("test"),
      ),
    ).toEqual([]);
  });
});
