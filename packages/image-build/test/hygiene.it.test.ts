import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  buildScratchImage,
  busyboxImage,
  cleanupEngine,
  findTestEngine,
  startFakeRegistry,
  startFaultProxy,
  uniqueName,
} from "@molecule-ai/testkit";
import { hostname } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applyCleanup } from "../src/hygiene/apply-cleanup.js";
import type { CleanupEvent } from "../src/hygiene/cleanup-event.js";
import type { CleanupPlan } from "../src/hygiene/cleanup-plan.js";
import { NO_CLEANUP, type CleanupPolicy } from "../src/hygiene/cleanup-policy.js";
import { readEngineDisk } from "../src/hygiene/disk-space.js";
import { readCleanupInventory } from "../src/hygiene/inventory.js";
import { planCleanup } from "../src/hygiene/plan-cleanup.js";
import { createImageBuilder } from "../src/index.js";
import { directoryOf, engineAt } from "./setup.js";

const found = await findTestEngine();
const HOUR = 3_600_000;

describe.skipIf(found.skip !== undefined)("cleaning an engine", () => {
  const socketPath = found.socketPath ?? "";
  let engine: DockerEngine;
  let label: string;
  let labels: Record<string, string>;
  let name: string;

  beforeAll(async () => {
    engine = await engineAt(socketPath);
  });
  afterAll(() => engine[Symbol.asyncDispose]());
  beforeEach(() => {
    // Other tests use this engine: only what carries this label may ever go.
    name = uniqueName("cleanup");
    label = `molecule.test.cleanup=${name}`;
    labels = { "molecule.test.cleanup": name, "molecule.test": "true" };
  });
  afterEach(() => cleanupEngine(socketPath, label));

  const policy = (more: Partial<CleanupPolicy> = {}): CleanupPolicy => ({
    ...NO_CLEANUP,
    danglingOlderThanMs: 72 * HOUR,
    unreferencedOlderThanMs: 72 * HOUR,
    exitedOlderThanMs: 72 * HOUR,
    unusedNetworks: true,
    scope: [label],
    ...more,
  });

  /** A plan as it would be made in four days. */
  async function plan(more: Partial<CleanupPolicy> = {}): Promise<CleanupPlan> {
    const inventory = await readCleanupInventory(engine, policy(more));
    return planCleanup(inventory, policy(more), Date.now() + 96 * HOUR);
  }

  const image = (tag: string, content = tag): Promise<string> =>
    buildScratchImage({
      socketPath,
      ref: `molecule-test/${name}:${tag}`,
      labels,
      files: { "/content": content },
      busybox: false,
      cmd: ["/none"],
    });
  const container = async (imageRef: string, more: object = {}): Promise<string> => {
    const config = { Image: imageRef, Labels: labels, ...more };
    return (await engine.containers.create(config, { name: uniqueName(name) })).id;
  };
  const outcomesOf = async (made: CleanupPlan): Promise<string[]> =>
    (await applyCleanup(made, engine)).outcomes.map((one) => `${one.name} ${one.outcome}`);
  const ref = (tag: string): string => `molecule-test/${name}:${tag}`;

  it("takes old images by all their names, and leaves what is protected under all of its", async () => {
    const gone = await image("gone");
    await engine.images.tag(gone, ref("gone-too"));
    const nameless = await image("nameless");
    const next = await image("nameless", "the tag moves to this one");
    const safe = await image("safe");
    await engine.images.tag(safe, ref("safe-by-another-name"));
    const used = await image("used");
    await container(ref("used"));

    const made = await plan({ protectedRefs: [`molecule-test/${name}:safe-*`] });
    const images = made.items.filter((item) => item.class.startsWith("images."));
    expect(images[0]).toMatchObject({ class: "images.dangling", id: nameless });
    expect(
      images
        .slice(1)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([gone, next].sort());
    expect(made.kept).toContainEqual(
      expect.objectContaining({ id: safe, reason: `molecule-test/${name}:safe-* protects it` }),
    );
    const events: CleanupEvent[] = [];
    const result = await applyCleanup({ ...made, items: images }, engine, {
      onEvent: (event) => events.push(event),
    });
    expect(result).toMatchObject({ failed: 0, freedBytes: made.bytes });
    expect(events.map(({ type }) => type)).toEqual(result.outcomes.map(() => "cleanup.removed"));
    expect(await engine.images.inspect(gone)).toBeUndefined();
    expect((await engine.images.inspect(safe))?.tags).toHaveLength(2);
    expect(await engine.images.inspect(used)).toBeDefined();
  });

  it("counts the age of an image from its pull, however old it is", async () => {
    await using registry = await startFakeRegistry();
    const pulled = `${registry.host}/team/${name}:1`;
    await engine.images.pull(pulled);
    try {
      const before = Date.now() - 60_000;
      const rules = policy({ scope: [] });
      const { images, containers } = await readCleanupInventory(engine, rules);
      const one = images.filter(({ tags }) => tags.includes(pulled));
      expect(one).toHaveLength(1);
      expect(one[0]?.newestAt).toBeGreaterThan(before);
      const only = { images: one, containers, networks: [], buildCache: [] };
      const { kept } = planCleanup(only, rules, Date.now());
      expect(kept).toContainEqual(
        expect.objectContaining({ name: pulled, reason: "not older than 72h" }),
      );
    } finally {
      await engine.images.remove(pulled);
    }
  });

  it("removes nothing by looking, and nothing that is young", async () => {
    const id = await image("young");
    const inventory = await readCleanupInventory(engine, policy());
    const made = planCleanup(inventory, policy(), Date.now());
    expect(made.items).toEqual([]);
    expect(made.kept).toEqual([expect.objectContaining({ id, reason: "not older than 72h" })]);
    expect((await plan()).items).toHaveLength(1);
    expect(await engine.images.inspect(id)).toBeDefined();
  });

  it("takes ended containers, and no volume with them, named or not", async () => {
    const box = await busyboxImage(socketPath);
    const volume = await engine.volumes.create({ name: uniqueName(name), labels });
    const mounts = {
      Volumes: { "/anonymous": {} },
      HostConfig: { Binds: [`${volume.name}:/named`] },
    };
    const ended = await container(box, { Cmd: ["true"], ...mounts });
    await engine.containers.start(ended);
    await engine.containers.wait(ended);
    const anonymous = (await engine.containers.inspect(ended))?.mounts.find(
      ({ destination }) => destination === "/anonymous",
    )?.name;
    const running = await container(box, { Cmd: ["sleep", "1000"] });
    await engine.containers.start(running);

    expect((await plan()).kept).toContainEqual(
      expect.objectContaining({ id: ended, reason: `it has the named volume ${volume.name}` }),
    );
    const made = await plan({ protectNamedVolumes: false });
    expect(made.items.map(({ id }) => id)).toEqual([ended]);
    try {
      expect((await applyCleanup(made, engine)).failed).toBe(0);
      expect(await engine.containers.inspect(ended)).toBeUndefined();
      expect(await engine.volumes.inspect(volume.name)).toBeDefined();
      expect(await engine.volumes.inspect(anonymous ?? "")).toBeDefined();
      expect((await engine.containers.inspect(running))?.state.running).toBe(true);
    } finally {
      if (anonymous !== undefined) await engine.volumes.remove(anonymous);
    }
  });

  it("takes networks that nothing is connected to, stopped containers included", async () => {
    const unused = await engine.networks.create({ name: uniqueName(name), labels });
    const stopped = await engine.networks.create({ name: uniqueName(name), labels });
    await container(await busyboxImage(socketPath), { HostConfig: { NetworkMode: stopped.name } });
    const made = await plan({ exitedOlderThanMs: undefined });
    expect(made.items.map(({ id }) => id)).toEqual([unused.id]);
    expect(await outcomesOf(made)).toEqual([`${unused.name} removed`]);
    expect(await engine.networks.inspect(unused.id)).toBeUndefined();
    expect(await engine.networks.inspect(stopped.id)).toBeDefined();
  });

  it("keeps what was used, named or started between the plan and its doing", async () => {
    const used = await image("used");
    await engine.images.tag(used, ref("used-too"));
    const renamed = await image("renamed");
    const vanished = await image("vanished");
    const network = await engine.networks.create({ name: uniqueName(name), labels });
    const box = await busyboxImage(socketPath);
    const started = await container(box, { Cmd: ["sleep", "1000"] });

    const made = await plan();
    expect(made.items).toHaveLength(5);
    await container(used);
    await engine.images.tag(renamed, ref("precious"));
    await engine.images.remove(vanished);
    await container(box, { HostConfig: { NetworkMode: network.name } });
    await engine.containers.start(started);

    const { outcomes, failed } = await applyCleanup(made, engine);
    expect(failed).toBe(0);
    const outcomeOf = (id: string): unknown => outcomes.find((one) => one.id === id);
    expect(outcomeOf(used)).toMatchObject({ outcome: "kept" });
    expect((await engine.images.inspect(used))?.tags).toHaveLength(2);
    expect(outcomeOf(renamed)).toMatchObject({
      outcome: "kept",
      reason: "it has other names than when it was looked at",
    });
    expect(outcomeOf(vanished)).toMatchObject({ outcome: "removed", freedBytes: 0 });
    expect(outcomeOf(network.id)).toMatchObject({ outcome: "kept" });
    expect(outcomeOf(started)).toMatchObject({ outcome: "kept", reason: "it was started since" });
  });

  it("gives an image its names back when the last one cannot be taken off", async () => {
    const id = await image("one");
    await engine.images.tag(id, ref("two"));
    const made = await plan();
    await using proxy = await startFaultProxy({ socketPath });
    await using late = await engineAt(proxy.socketPath);
    // The container comes after the last look at who uses the image.
    proxy.add({
      path: new RegExp(`/images/.*${name}:(one|two)$`),
      method: "DELETE",
      skip: 1,
      fault: { kind: "answer", status: 409, body: '{"message":"conflict: in use"}' },
    });
    const { outcomes } = await applyCleanup(made, late);
    expect(outcomes).toEqual([expect.objectContaining({ id, outcome: "kept" })]);
    expect([...((await engine.images.inspect(id))?.tags ?? [])].sort()).toEqual([
      ref("one"),
      ref("two"),
    ]);
  });

  it("goes on after a failure, or stops when it is required", async () => {
    await image("a");
    await image("b");
    const made = await plan();
    await using proxy = await startFaultProxy({ socketPath });
    await using late = await engineAt(proxy.socketPath);
    const broken = { kind: "answer", status: 500, body: '{"message":"disk trouble"}' } as const;
    proxy.add({ path: new RegExp(`${name}:a$`), method: "DELETE", fault: broken });
    await expect(applyCleanup(made, late, { enforcement: "required" })).rejects.toMatchObject({
      code: "ERR_CLEANUP_FAILED",
      message: expect.stringContaining("disk trouble") as string,
      details: { code: "ERR_ENGINE_SERVER" },
    });
    const { outcomes, failed } = await applyCleanup(made, late);
    expect(failed).toBe(1);
    expect(outcomes.find((one) => one.outcome === "failed")).toMatchObject({
      name: ref("a"),
      error: { code: "ERR_ENGINE_SERVER" },
    });
    expect(await engine.images.inspect(ref("b"))).toBeUndefined();
  });

  it("does not go on asking an engine that is gone", async () => {
    const ids = [await image("a"), await image("b"), await image("c")];
    const made = await plan();
    const proxy = await startFaultProxy({ socketPath });
    await using late = await engineAt(proxy.socketPath);
    await proxy[Symbol.asyncDispose]();
    const { outcomes, failed } = await applyCleanup(made, late);
    expect(failed).toBe(3);
    expect(outcomes.map((one) => one.outcome === "failed" && one.error.code)).toEqual([
      "ERR_ENGINE_UNREACHABLE",
      "ERR_ENGINE_UNREACHABLE",
      "ERR_ENGINE_UNREACHABLE",
    ]);
    for (const id of ids) expect(await engine.images.inspect(id)).toBeDefined();
  });

  it("stops when aborted, and leaves the rest", async () => {
    const first = await image("a");
    const second = await image("b");
    const made = await plan();
    const controller = new AbortController();
    const reason = new Error("enough");
    const applying = applyCleanup(made, engine, {
      signal: controller.signal,
      onEvent: () => {
        controller.abort(reason);
      },
    });
    await expect(applying).rejects.toBe(reason);
    const left = [await engine.images.inspect(first), await engine.images.inspect(second)];
    expect(left.filter((one) => one !== undefined)).toHaveLength(1);
  });

  it("takes exactly the build cache of its plan", async () => {
    const run = (step: string): string => `RUN : ${name} ${step}`;
    const box = await busyboxImage(socketPath);
    await using directory = await directoryOf({
      Dockerfile: `FROM ${box}\n${run("first")}\n${run("second")}\n`,
    });
    await createImageBuilder({ engine }).build({
      context: { kind: "directory", path: directory.path },
      tags: [ref("cache")],
      labels,
    });
    await engine.images.remove(ref("cache"));
    const rule = policy({ ...NO_CLEANUP, buildCacheOlderThanMs: 72 * HOUR, scope: [] });
    const inventory = await readCleanupInventory(engine, rule);
    const own = inventory.buildCache.filter(({ description }) => description.includes(name));
    expect(own).toHaveLength(2);
    const made = planCleanup({ ...inventory, buildCache: own }, rule, Date.now() + 96 * HOUR);
    expect(made.items.map(({ name: step }) => step.slice(-6))).toEqual(["second", " first"]);

    // The engine looks at the age again: what was used a moment ago stays.
    const used = await applyCleanup(made, engine);
    expect(used.outcomes.map(({ outcome }) => outcome)).toEqual(["kept", "kept"]);
    const old = { ...made, policy: { ...rule, buildCacheOlderThanMs: 0 } };
    const { outcomes } = await applyCleanup(old, engine);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["removed", "removed"]);
    const left = (await engine.buildCache.list()).filter(({ description }) =>
      description.includes(name),
    );
    expect(left).toEqual([]);
  });

  it("sees the disk of an engine of this machine, and of no other", async () => {
    const space = await readEngineDisk(engine);
    expect(space?.totalBytes).toBeGreaterThan(space?.freeBytes ?? 0);
    const elsewhere: DockerEngine = {
      ...engine,
      info: async (options) => ({ ...(await engine.info(options)), name: `not-${hostname()}` }),
    };
    expect(await readEngineDisk(elsewhere)).toBeUndefined();
    const remote: DockerEngine = { ...engine, endpoint: { ...engine.endpoint, kind: "ssh" } };
    expect(await readEngineDisk(remote)).toBeUndefined();
  });
});
