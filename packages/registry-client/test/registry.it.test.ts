import {
  findTestRegistry,
  startFakeRegistry,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytesBlob,
  createRegistryClient,
  MEDIA_TYPES,
  type CopyEvent,
  type RegistryClient,
} from "../src/index.js";
import { digestOf } from "../src/digest.js";
import { bytesOf, pushTestImage, pushTestIndex } from "./images.js";

const found = await findTestRegistry();
const auth = { username: "anna", password: "not-in-any-log" };

describe.skipIf(found.skip !== undefined)("a real registry that wants a password", () => {
  let registry: TestRegistry;
  let other: TestRegistry;
  let client: RegistryClient;
  beforeAll(async () => {
    registry = await startTestRegistry({ auth });
    other = await startTestRegistry();
    client = createRegistryClient({
      credentials: (host) =>
        Promise.resolve(host === registry.host ? { kind: "password", ...auth } : undefined),
    });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  it("tells right credentials from wrong ones, and from none", async () => {
    expect(await client.ping(registry.host)).toEqual({ authenticated: true });
    expect(await client.ping(other.host)).toEqual({ authenticated: false });
    for (const credential of [
      undefined,
      { kind: "password", ...auth, password: "wrong-one" },
    ] as const) {
      await using stranger = createRegistryClient({
        credentials: () => Promise.resolve(credential),
      });
      const error = await stranger.ping(registry.host).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "ERR_REGISTRY_UNAUTHORIZED", retryable: false });
      expect(JSON.stringify(error)).not.toContain("wrong-one");
    }
  });

  it("gives back what was pushed, by tag and by digest", async () => {
    const repository = `${registry.host}/team/app`;
    const pushed = await pushTestImage(client, { repository, tag: "1" });
    const about = {
      digest: pushed.digest,
      mediaType: MEDIA_TYPES.ociManifest,
      sizeBytes: pushed.sizeBytes,
    };
    expect(await client.resolve(`${repository}:1`)).toEqual(about);
    expect(await client.resolve(`${repository}@${pushed.digest}`)).toEqual(about);
    expect(await client.resolve(`${repository}:absent`)).toBeUndefined();
    expect(await client.resolve(`${registry.host}/no/such:1`)).toBeUndefined();
    expect(await client.manifest(`${repository}:1`)).toMatchObject(about);
    await expect(client.manifest(`${repository}:absent`)).rejects.toMatchObject({
      code: "ERR_REGISTRY_NOT_FOUND",
    });
    expect(await client.imageConfig(`${repository}:1`)).toMatchObject({
      os: "linux",
      arch: "amd64",
      createdAt: Date.UTC(2026, 2, 4, 5, 6, 7),
      labels: { "molecule.test": "true" },
      digest: digestOf(pushed.config),
      manifestDigest: pushed.digest,
    });
    expect(await bytesOf(await client.blob(repository, digestOf(pushed.layer)))).toEqual(
      pushed.layer,
    );
    expect(await client.hasBlob(repository, digestOf(pushed.layer))).toBe(true);
    expect(await client.hasBlob(repository, digestOf(Buffer.from("absent")))).toBe(false);
  });

  it("sends a blob once, mounts it in a second repository, and refuses one that lies", async () => {
    const blob = bytesBlob(randomBytes(3 * 1024 * 1024));
    const repository = `${registry.host}/blobs/one`;
    const sent: number[] = [];
    const onProgress = (bytes: number): void => void sent.push(bytes);
    expect(await client.pushBlob(repository, blob, { onProgress })).toBe("pushed");
    expect(sent.at(-1)).toBe(blob.sizeBytes);
    expect(await client.pushBlob(repository, blob)).toBe("exists");
    expect(await client.mountBlob(repository, `${registry.host}/blobs/two`, blob.digest)).toBe(
      true,
    );
    expect(await client.hasBlob(`${registry.host}/blobs/two`, blob.digest)).toBe(true);
    const absent = digestOf(randomBytes(8));
    expect(await client.mountBlob(repository, `${registry.host}/blobs/two`, absent)).toBe(false);
    expect(await client.mountBlob(repository, `${other.host}/blobs/two`, blob.digest)).toBe(false);
    const empty = bytesBlob(Buffer.alloc(0));
    expect(await client.pushBlob(repository, empty)).toBe("pushed");
    expect(await bytesOf(await client.blob(repository, empty.digest))).toHaveLength(0);
    for (const content of ["short", "what is far too long"]) {
      const liar = {
        digest: absent,
        sizeBytes: 10,
        open: () => Readable.from([Buffer.from(content)]),
      };
      await expect(client.pushBlob(repository, liar)).rejects.toMatchObject({
        code: "ERR_REGISTRY_DIGEST",
      });
    }
    expect(await client.hasBlob(repository, absent)).toBe(false);
  });

  it("lists tags over several pages, and none of what is not there", async () => {
    const repository = `${registry.host}/many/tags`;
    const { json: _, ...manifest } = await client.manifest(
      `${repository}@${(await pushTestImage(client, { repository })).digest}`,
    );
    const names = Array.from({ length: 8 }, (_unused, at) => `t${at}`);
    for (const tag of names) await client.putManifest(repository, tag, manifest);
    for (const pageSize of [3, 4, 100]) {
      const listed: string[] = [];
      for await (const tag of client.tags(repository, { pageSize })) listed.push(tag);
      expect(listed.sort()).toEqual(names);
    }
    for await (const tag of client.tags(`${registry.host}/no/such`)) expect.unreachable(tag);
  });

  it("deletes by digest, once", async () => {
    const repository = `${registry.host}/old/app`;
    const { digest } = await pushTestImage(client, { repository, tag: "1" });
    expect(await client.deleteManifest(repository, digest)).toBe(true);
    expect(await client.deleteManifest(repository, digest)).toBe(false);
    expect(await client.resolve(`${repository}:1`)).toBeUndefined();
  });

  it("copies an index byte for byte, within a registry and to another one", async () => {
    const repository = `${registry.host}/team/index`;
    const index = await pushTestIndex(client, repository, "1");
    for (const target of [`${registry.host}/team/promoted:stable`, `${other.host}/prod/app:1`]) {
      const events: CopyEvent[] = [];
      const copied = await client.copy(`${repository}:1`, target, {
        onEvent: (event) => events.push(event),
      });
      expect(copied.digest).toBe(index.digest);
      expect(await client.resolve(target)).toMatchObject({ digest: index.digest });
      expect((await client.imageConfig(target, { platform: "linux/arm64" })).manifestDigest).toBe(
        index.parts[1]?.digest,
      );
      const blobs = events.filter((event) => event.type === "copy.blob");
      const how = target.startsWith(registry.host) ? "mounted" : "copied";
      expect(blobs.filter(({ status }) => status === how)).toHaveLength(4);
      expect(events.filter(({ type }) => type === "copy.manifest")).toHaveLength(3);
    }
    const again: CopyEvent[] = [];
    await client.copy(`${repository}@${index.digest}`, `${other.host}/prod/app`, {
      onEvent: (event) => again.push(event),
    });
    expect(
      again.filter((event) => event.type === "copy.blob" && event.status !== "exists"),
    ).toEqual([]);
    await expect(client.imageConfig(`${repository}:1`)).rejects.toMatchObject({
      code: "ERR_REGISTRY_PLATFORM",
    });
    await expect(
      client.copy(`${repository}:1`, `${other.host}/prod/app@${digestOf(Buffer.from("x"))}`),
    ).rejects.toMatchObject({ code: "ERR_REGISTRY_DIGEST" });
  });

  it("leaves the tag of the target when a copy is aborted", async () => {
    const repository = `${registry.host}/team/large`;
    await pushTestImage(client, { repository, tag: "1" }, { layerBytes: 8 * 1024 * 1024 });
    const controller = new AbortController();
    const reason = new Error("enough");
    const target = `${other.host}/prod/large:1`;
    await expect(
      client.copy(`${repository}:1`, target, {
        signal: controller.signal,
        onEvent: (event) => {
          if (event.type === "copy.blob" && event.status === "copying") controller.abort(reason);
        },
      }),
    ).rejects.toBe(reason);
    expect(await client.resolve(target)).toBeUndefined();
  });

  it("keeps referrers by their tag, also when several write at once, and copies them", async () => {
    const repository = `${registry.host}/signed/app`;
    const image = await pushTestImage(client, { repository, tag: "1" });
    const subject = {
      mediaType: image.mediaType,
      digest: image.digest,
      sizeBytes: image.sizeBytes,
    };
    expect(await client.referrers(repository, image.digest)).toEqual([]);
    const pushed = await Promise.all(
      ["a/sbom", "a/signature", "a/note"].map((artifactType) =>
        client.pushReferrer(repository, {
          subject,
          artifactType,
          blobs:
            artifactType === "a/note"
              ? []
              : [{ mediaType: "text/plain", source: bytesBlob(Buffer.from(artifactType)) }],
          annotations: { of: "1" },
        }),
      ),
    );
    const digests = pushed.map(({ digest }) => digest).sort();
    const listed = await client.referrers(repository, image.digest);
    expect(listed.map(({ digest }) => digest).sort()).toEqual(digests);
    const sboms = await client.referrers(repository, image.digest, { artifactType: "a/sbom" });
    expect(sboms).toMatchObject([{ artifactType: "a/sbom", annotations: { of: "1" } }]);
    const target = `${other.host}/signed/app`;
    await client.copy(`${repository}:1`, `${target}:1`, { referrers: true });
    const copied = await client.referrers(target, image.digest);
    expect(copied.map(({ digest }) => digest).sort()).toEqual(digests);
  });

  it.each([
    ["wrong-digest", "ERR_REGISTRY_DIGEST"],
    ["truncated-layer", "ERR_REGISTRY_DISCONNECTED"],
    ["server-error", "ERR_REGISTRY_STATUS"],
  ] as const)("does not copy from a registry with a %s", async (fault, code) => {
    await using broken = await startFakeRegistry({ fault });
    await using quick = createRegistryClient({ retries: 1, maxRetryDelayMs: 20 });
    const target = `${other.host}/from-broken/${fault}:1`;
    await expect(quick.copy(`${broken.host}/a:1`, target)).rejects.toMatchObject({ code });
    expect(await quick.resolve(target)).toBeUndefined();
  });

  it("copies from a registry with tokens to one with a password", async () => {
    await using source = await startFakeRegistry({ auth, layerBytes: 300_000 });
    await using both = createRegistryClient({
      credentials: () => Promise.resolve({ kind: "password", ...auth }),
    });
    const target = `${registry.host}/from-tokens/app:1`;
    expect(await both.copy(`${source.host}/a:1`, target)).toMatchObject({ digest: source.digest });
    expect(await both.resolve(target)).toMatchObject({ digest: source.digest });
  });
});
