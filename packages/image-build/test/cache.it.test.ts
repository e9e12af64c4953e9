import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import {
  createRegistryClient,
  parseManifest,
  type RegistryClient,
} from "@molecule-ai/registry-client";
import {
  cleanupEngine,
  findBuildx,
  findSecondEngine,
  findTestEngine,
  findTestRegistry,
  startBuildkitBridge,
  startSecondEngine,
  startTestRegistry,
  uniqueName,
  type SecondEngine,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Buildx } from "../src/buildx/buildx.js";
import { pruneBuildkit, readBuilderUsage } from "../src/cache/buildkit-prune.js";
import { cacheRefFlag } from "../src/cache/cache-ref-flag.js";
import type { CacheRef } from "../src/cache/cache-ref.js";
import { probeLocalCache } from "../src/cache/local-cache.js";
import { enforceLocalRetention } from "../src/cache/local-retention.js";
import { planCache } from "../src/cache/plan-cache.js";
import { listRegistryCaches } from "../src/cache/registry-cache.js";
import { parseCacheSettings } from "../src/cache/settings.js";
import { openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { exportLocalCache, type AnnotatedLayer } from "./fixtures/local-cache-layout.js";

const here = await findTestEngine();
const program = await findBuildx();
const second = await findSecondEngine();
const registryFound = await findTestRegistry();
const skip = here.skip ?? program.skip ?? second.skip ?? registryFound.skip;
const signal = new AbortController().signal;
/** On every image that is made here. */
const RUN = `molecule.test.run=${uniqueName("cache")}`;

describe.skipIf(skip !== undefined)(`the cache with real BuildKits ${skip ?? ""}`, () => {
  let registry: TestRegistry;
  let client: RegistryClient;
  let other: SecondEngine;
  let tools: TestBuildx;
  let buildxHere: Buildx;
  let buildxThere: Buildx;
  let room: string;
  let context: string;

  beforeAll(async () => {
    registry = await startTestRegistry();
    client = createRegistryClient();
    other = await startSecondEngine();
    tools = await openTestBuildx(program.file ?? "", here.dockerHost ?? "");
    buildxHere = tools.buildx;
    buildxThere = tools.at(other.dockerHost);
    room = await mkdtemp(join(tmpdir(), "molecule-cache-it-"));
    context = join(room, "context");
    await directoryWith(context, {
      Dockerfile: `FROM scratch AS base\nCOPY a /a\nFROM base\nCOPY b /b\nLABEL molecule.test=true ${RUN}\n`,
      a: uniqueName("a").repeat(2000),
      b: uniqueName("b").repeat(1000),
    });
  });
  afterAll(async () => {
    await cleanupEngine(here.socketPath ?? "", RUN);
    await tools?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    await client?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (room !== undefined) await rm(room, { recursive: true, force: true });
  });

  /** What a build printed; fails when it failed. */
  const build = async (buildx: Buildx, args: readonly string[]): Promise<string> => {
    let output = "";
    const outcome = await buildx.run({
      args: ["build", "--builder", "default", "--progress", "plain", ...args, context],
      signal,
      onStderr: (chunk) => {
        output += chunk.toString("utf8");
      },
    });
    expect(outcome.kind, output).toBe("exited");
    return output;
  };
  const forget = (): Promise<unknown> =>
    buildxThere.run({ args: ["prune", "--builder", "default", "--force", "--all"], signal });
  const cachedSteps = (output: string): number => output.match(/^#\d+ CACHED$/gm)?.length ?? 0;

  test("a branch's first build on another engine takes its steps from the default branch's cache", async () => {
    const settings = parseCacheSettings({ repository: `${registry.host}/cache` }, undefined);
    const local = { kind: "unavailable", reason: "no disk" } as const;
    const identity = { repositoryId: "org/app", branch: "main", defaultBranch: "main" };
    const main = planCache({ settings, identity, local });
    const ref = main.exports[0]?.ref ?? "";
    // The engine's own BuildKit exports a cache only inside an image.
    const inline: CacheRef = { type: "inline", ref: "", direction: "export" };
    await build(buildxHere, ["--cache-to", cacheRefFlag(inline), "--tag", ref, "--push"]);

    const feature = planCache({ settings, identity: { ...identity, branch: "feature" }, local });
    expect(feature.imports).toHaveLength(2);
    const flags = feature.imports.flatMap((item) => ["--cache-from", cacheRefFlag(item)]);
    await forget();
    const output = await build(buildxThere, flags);
    expect(cachedSteps(output)).toBe(2);

    const { entries } = await listRegistryCaches({
      client,
      repository: `${registry.host}/cache`,
      scope: undefined,
      signal,
    });
    expect(entries).toHaveLength(1);
    expect(Date.now() - (entries[0]?.createdAt ?? 0)).toBeLessThan(600_000);
  });

  test("a local cache that was cleaned is still one that BuildKit takes its steps from", async () => {
    const name = `${registry.host}/inline:1`;
    await build(buildxHere, ["--cache-to", "type=inline", "--tag", name, "--push"]);
    const root = join(room, "local");
    const probe = await probeLocalCache({ root, mount: room }, "org/app");
    if (probe.kind !== "available") throw new Error(probe.reason);
    const { directory } = probe;
    const content = await inlineCacheOf(client, name);
    const yesterday = new Date(Date.now() - 86_400_000);
    await exportLocalCache(directory, {
      name: "latest",
      at: yesterday,
      layers: [Buffer.from("replaced since")],
      config: Buffer.from("{}"),
    });
    await exportLocalCache(directory, { name: "latest", at: yesterday, ...content });
    const result = await enforceLocalRetention({
      directory,
      maxAgeMs: 7 * 86_400_000,
      maxBytes: 1_000_000,
      signal,
    });
    expect(result).toMatchObject({ entriesBefore: 1, removed: [], prunedBlobs: 3 });

    const flag = cacheRefFlag({ type: "local", ref: directory, direction: "import" });
    await forget();
    expect(cachedSteps(await build(buildxThere, ["--cache-from", flag]))).toBe(2);

    // And when nothing is left of it, the next build is only a cold one.
    await enforceLocalRetention({ directory, maxAgeMs: 1, maxBytes: 0, signal });
    await forget();
    const cold = await build(buildxThere, ["--cache-from", flag]);
    expect(cachedSteps(cold)).toBe(0);
    expect(cold).toContain("local cache import");
  });

  test("the builder of an engine is measured, and pruned to a size", async () => {
    await forget();
    await build(buildxThere, []);
    const builder = { buildx: buildxThere, builder: "default", signal };
    const before = await readBuilderUsage(builder);
    expect(before?.totalBytes).toBeGreaterThan(10_000);

    const young = await pruneBuildkit({ ...builder, maxAgeMs: 3_600_000 });
    expect(young).toMatchObject({ reclaimedBytes: 0, usageAfter: before });

    const small = await pruneBuildkit({ ...builder, maxAgeMs: 3_600_000, maxUsedBytes: 1 });
    expect(small.commands).toHaveLength(2);
    expect(small.reclaimedBytes).toBeGreaterThan(10_000);
    expect(small.usageAfter?.totalBytes).toBeLessThan(before?.totalBytes ?? 0);
  });

  test("so is a BuildKit daemon behind the remote driver; a builder that is not there is an error", async () => {
    await using daemon = await startBuildkitBridge({ socketPath: other.socketPath });
    const name = uniqueName("remote");
    const create = ["create", "--name", name, "--driver", "remote", daemon.address];
    expect(await buildxThere.run({ args: create, signal })).toMatchObject({ kind: "exited" });
    await build(buildxThere, []);
    const builder = { buildx: buildxThere, builder: name, signal };
    expect((await readBuilderUsage(builder))?.totalBytes).toBeGreaterThan(10_000);
    const result = await pruneBuildkit({ ...builder, maxUsedBytes: 1 });
    expect(result.reclaimedBytes).toBeGreaterThan(10_000);
    expect(await tools.calls()).not.toMatch(/^use$/m);

    await expect(
      pruneBuildkit({ ...builder, builder: "nobody", maxUsedBytes: 1 }),
    ).rejects.toMatchObject({ code: "ERR_BUILDX_FAILED" });
    await expect(
      pruneBuildkit({ ...builder, maxUsedBytes: 1, signal: AbortSignal.abort(new Error("stop")) }),
    ).rejects.toThrow("stop");
  });
});

async function directoryWith(path: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
}

/** The cache inside an image, as what a `type=local` export of the same build holds. */
async function inlineCacheOf(
  client: RegistryClient,
  reference: string,
): Promise<{ readonly layers: readonly AnnotatedLayer[]; readonly config: Buffer }> {
  const manifest = parseManifest((await client.manifest(reference)).json);
  if (manifest?.kind !== "image") throw new Error("no image");
  const repository = reference.slice(0, reference.lastIndexOf(":"));
  const read = async (digest: string): Promise<Buffer> =>
    bytesOf(await client.blob(repository, digest));
  const image = JSON.parse((await read(manifest.config.digest)).toString()) as {
    readonly "moby.buildkit.cache.v0": string;
    readonly rootfs: { readonly diff_ids: readonly string[] };
  };
  const records: unknown = JSON.parse(
    Buffer.from(image["moby.buildkit.cache.v0"], "base64").toString(),
  );
  const createdAt = new Date().toISOString();
  const mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip";
  const diffIds = image.rootfs.diff_ids;
  const config = {
    layers: manifest.layers.map((layer, at) => ({
      blob: layer.digest,
      parent: at - 1,
      annotations: { mediaType, diffID: diffIds[at], size: layer.sizeBytes, createdAt },
    })),
    records,
  };
  const layers = await Promise.all(
    manifest.layers.map(async (layer, at) => ({
      bytes: await read(layer.digest),
      mediaType,
      annotations: {
        "buildkit/createdat": createdAt,
        "containerd.io/uncompressed": diffIds[at] ?? "",
      },
    })),
  );
  return { layers, config: Buffer.from(JSON.stringify(config)) };
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
