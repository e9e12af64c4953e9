import { buildScratchImage, startFaultProxy, uniqueName } from "@molecule-ai/testkit";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DockerEngine } from "../src/index.js";
import { connect, label, labels, skip, socketPath } from "./setup.js";

describe.skipIf(skip)("images", () => {
  const repository = `molecule-test/${uniqueName("archive")}`;
  let engine: DockerEngine;
  let id: string;

  beforeAll(async () => {
    engine = await connect();
    const files = { "/data": { content: randomBytes(500_000) } };
    const ref = `${repository}:1`;
    id = await buildScratchImage({ socketPath, ref, labels, files, busybox: false });
    await engine.images.tag(ref, `${repository}:2`);
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it("are saved and loaded with their tags", async () => {
    const tagged = (await engine.images.inspect(id))?.taggedAt;
    expect(tagged).toBeGreaterThan(Date.now() - 600_000);
    const archive = await engine.images.save([`${repository}:1`, `${repository}:2`]);
    const bytes = await buffer(archive);
    await engine.images.remove(`${repository}:1`);
    await engine.images.remove(`${repository}:2`);
    expect(await engine.images.inspect(id)).toBeUndefined();
    const loaded = await engine.images.load(Readable.from([bytes]));
    expect([...loaded.references].sort()).toEqual([`${repository}:1`, `${repository}:2`]);
    expect(loaded.ids).toEqual([]);
    expect((await engine.images.inspect(`${repository}:1`))?.id).toBe(id);
  });

  it("without a tag are loaded by their id", async () => {
    const bytes = await buffer(await engine.images.save([id]));
    expect(await engine.images.load(Readable.from([bytes]))).toEqual({ references: [], ids: [id] });
  });

  it("that are not there are not saved, and what is no archive is not loaded", async () => {
    await expect(engine.images.save([`${repository}:absent`])).rejects.toMatchObject({
      code: "ERR_ENGINE_NOT_FOUND",
    });
    await expect(engine.images.load(Readable.from([Buffer.from("junk")]))).rejects.toMatchObject({
      code: "ERR_ENGINE_STREAM",
    });
    const bytes = await buffer(await engine.images.save([id]));
    const cut = Readable.from([bytes.subarray(0, bytes.length / 2)]);
    await expect(engine.images.load(cut)).rejects.toMatchObject({ code: "ERR_ENGINE_STREAM" });
  });

  it("stop being saved and loaded when aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const archive = await engine.images.save([id], { signal: controller.signal });
    controller.abort(reason);
    await expect(buffer(archive)).rejects.toBe(reason);

    const loading = new AbortController();
    const endless = new Readable({ read: () => undefined });
    endless.push(Buffer.alloc(1024));
    const load = engine.images.load(endless, { signal: loading.signal });
    setTimeout(() => {
      loading.abort(reason);
    }, 50);
    await expect(load).rejects.toBe(reason);
    expect(endless.destroyed).toBe(true);
  });

  it("that break off while they are saved are no archive", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    await using proxied = await connect({ DOCKER_HOST: proxy.dockerHost });
    proxy.add({ path: /\/images\/get/, fault: { kind: "eof", bytes: 10_000 } });
    await expect(buffer(await proxied.images.save([id]))).rejects.toMatchObject({
      code: "ERR_ENGINE_TRUNCATED",
    });
  });

  it("tell how they were made, and an absent one nothing", async () => {
    const layers = await engine.images.history(id);
    expect(layers).toHaveLength(1);
    expect(layers?.[0]).toMatchObject({ id, comment: "Imported from -", createdBy: "" });
    expect(layers?.[0]?.sizeBytes).toBeGreaterThanOrEqual(500_000);
    expect(layers?.[0]?.tags).toContain(`${repository}:1`);
    expect(await engine.images.history(`${repository}:absent`)).toBeUndefined();
  });

  it("are listed with tags and without digests while no registry has them", async () => {
    const listed = (await engine.images.list({ labels: [label] })).find((image) => image.id === id);
    expect(listed).toMatchObject({ parentId: undefined, digests: [] });
    expect([...(listed?.tags ?? [])].sort()).toEqual([`${repository}:1`, `${repository}:2`]);
  });

  it("with several tags are not removed by id, unless forced", async () => {
    await expect(engine.images.remove(id)).rejects.toMatchObject({ code: "ERR_ENGINE_CONFLICT" });
    expect(await engine.images.remove(id, { force: true, noPrune: true })).toBe(true);
    expect(await engine.images.inspect(id)).toBeUndefined();
    expect(await engine.images.remove(id, { force: true })).toBe(false);
  });
});

/** All bytes of a tar, which must be whole. */
async function buffer(archive: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const reading = extract();
  reading.end(bytes);
  for await (const entry of reading) entry.resume();
  return bytes;
}
