import { createRedactor } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import {
  findTestEngine,
  findTestRegistry,
  pushImage,
  startFaultProxy,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { homedir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createImagePuller, createRegistryImageSource } from "../src/index.js";
import { connectLab, openLab, recordEvents, type Lab } from "./lab.js";

const found = await findTestEngine();
const registryBinary = await findTestRegistry();
const skip = found.skip ?? registryBinary.skip;

describe.skipIf(skip !== undefined)("images from a registry", () => {
  let lab: Lab;
  let registry: TestRegistry;
  let prefix: string;
  let image: string;
  const runtimes = createRuntimeRegistry({ extra: ["test-agent"] });
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
    registry = await startTestRegistry();
    prefix = `${registry.host}/team`;
    image = `${prefix}/workspace-template-test-agent:latest`;
    await pushImage(lab.socketPath, lab.image.ref, image);
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  const forget = async (engine: DockerEngine): Promise<void> => {
    for (const { id, tags } of await engine.images.list({ reference: `${prefix}/*` })) {
      for (const tag of tags) if (tag.startsWith(prefix)) await engine.images.remove(tag);
      void id;
    }
  };
  afterEach(() => forget(lab.engine));

  it("are pulled when missing, with progress, and known by their digest", async () => {
    const source = createRegistryImageSource({ engine: lab.engine, prefix, runtimes });
    const { events, onEvent } = recordEvents();
    const resolved = await source.ensure("test-agent", { onEvent });
    expect(resolved).toMatchObject({
      outcome: "pulled",
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      templatePath: undefined,
    });
    expect([resolved.imageId, `${image.replace(/:latest$/, "")}@${resolved.digest}`]).toContain(
      resolved.ref,
    );
    expect(events.map(({ type }) => type)).toContain("stage.finished");
    const spec = lab.spec();
    const result = await lab.provisionerOn(lab.backend, resolved).up(spec);
    expect(result.ready).toBe(true);
    expect((await lab.backend.inspect(spec.id))?.imageId).toBe(resolved.imageId);
    await lab.backend.remove(spec.id, { graceSeconds: 0 });
  });

  it("of a fixed tag are taken as they are; of a moving one they are asked for again", async () => {
    const fixed = image.replace(":latest", ":1.0.0");
    await pushImage(lab.socketPath, lab.image.ref, fixed);
    const ensure = createImagePuller({ engine: lab.engine });
    expect((await ensure(fixed)).outcome).toBe("pulled");
    expect(await ensure(fixed)).toMatchObject({ outcome: "present", ref: fixed });
    expect((await ensure(image)).outcome).toBe("pulled");
    expect((await ensure(image)).outcome).toBe("pulled");
    expect((await ensure(image, { offline: true })).outcome).toBe("present");
  });

  it("of a moving tag are not silently old when the registry fails", async () => {
    await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
    await using engine = await connectLab(proxy.dockerHost);
    const source = createRegistryImageSource({ engine, prefix, runtimes });
    await source.ensure("test-agent");
    proxy.add({
      method: "POST",
      path: /\/images\/create/,
      fault: { kind: "answer", status: 500, body: { message: "registry is down" } },
    });
    await expect(source.ensure("test-agent")).rejects.toMatchObject({
      code: "ERR_IMAGE_PULL_FAILED",
      hint: expect.stringContaining("visibility for test-agent") as string,
    });
    expect((await source.ensure("test-agent", { offline: true })).outcome).toBe("present");
  });

  it("that do not exist are an error with the runtime and the reference", async () => {
    const source = createRegistryImageSource({ engine: lab.engine, prefix, runtimes });
    await expect(source.ensure("hermes")).rejects.toMatchObject({
      code: "ERR_IMAGE_PULL_FAILED",
      message: expect.stringContaining("workspace-template-hermes:latest") as string,
      hint: expect.stringContaining("visibility for hermes") as string,
    });
    await expect(source.ensure("hermes", { offline: true })).rejects.toMatchObject({
      code: "ERR_IMAGE_NOT_PRESENT",
    });
    await expect(source.ensure("unknown")).rejects.toMatchObject({ code: "ERR_RUNTIME_UNKNOWN" });
    await expect(source.ensure("test-agent", { ref: "main" })).rejects.toMatchObject({
      code: "ERR_IMAGE_REF_UNSUPPORTED",
    });
  });

  it("are pulled once for callers at the same time, and all of them hear how it goes", async () => {
    await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
    await using engine = await connectLab(proxy.dockerHost);
    const source = createRegistryImageSource({ engine, prefix, runtimes });
    const { events, onEvent } = recordEvents();
    const all = await Promise.all([1, 2, 3].map(() => source.ensure("test-agent", { onEvent })));
    expect(new Set(all.map(({ imageId }) => imageId)).size).toBe(1);
    expect(proxy.requests.filter(({ path }) => path.includes("/images/create"))).toHaveLength(1);
    expect(events.filter(({ type }) => type === "joined")).toHaveLength(2);
    expect(events.filter(({ type }) => type === "stage.finished")).toHaveLength(3);
  });

  it("by a pin are that digest and no other", async () => {
    const first = await createImagePuller({ engine: lab.engine })(image);
    const pins = new Map([["test-agent", first.digest ?? ""]]);
    const source = createRegistryImageSource({ engine: lab.engine, prefix, runtimes, pins });
    const pinned = await source.ensure("test-agent");
    expect(pinned).toMatchObject({ imageId: first.imageId, digest: first.digest });
    expect(pinned.ref).toBe(`${prefix}/workspace-template-test-agent@${first.digest}`);
    const wrong = new Map([["test-agent", `sha256:${"0".repeat(64)}`]]);
    await expect(
      createRegistryImageSource({ engine: lab.engine, prefix, runtimes, pins: wrong }).ensure(
        "test-agent",
      ),
    ).rejects.toMatchObject({ code: "ERR_IMAGE_PULL_FAILED" });
    await lab.engine.images.remove(pinned.ref);
  });

  it("for another platform are refused, not started", async () => {
    await createImagePuller({ engine: lab.engine })(image);
    const foreign = createImagePuller({ engine: lab.engine, platform: "linux/s390x" });
    await expect(foreign(image, { offline: true })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_IMAGE_(?:NOT_PRESENT|PLATFORM_MISMATCH)$/) as string,
    });
    await expect(foreign(image)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_IMAGE_(?:PULL_FAILED|PLATFORM_MISMATCH)$/) as string,
    });
  });

  it("of a private registry need credentials, which appear in no message", async () => {
    const auth = { username: "puller", password: "hunter2-hunter2" };
    await using locked = await startTestRegistry({ auth });
    const ref = `${locked.host}/team/workspace-template-test-agent:latest`;
    await pushImage(lab.socketPath, lab.image.ref, ref, auth);
    const open = await createImagePuller({ engine: lab.engine })(ref).catch(
      (error: unknown) => error,
    );
    expect(open).toMatchObject({ code: "ERR_IMAGE_PULL_FAILED" });
    const config = (password: string): string =>
      JSON.stringify({
        auths: {
          [locked.host]: { auth: Buffer.from(`${auth.username}:${password}`).toString("base64") },
        },
      });
    const connect = (password: string): Promise<DockerEngine> =>
      connectEngine({
        settings: engineSettingsFromEnv(
          {
            DOCKER_HOST: `unix://${lab.socketPath}`,
            DOCKER_AUTH_CONFIG: config(password),
          },
          { homeDirectory: homedir(), platform: process.platform },
        ),
        redactor: createRedactor(),
      });
    await using wrong = await connect("not-the-password");
    const refused: unknown = await createImagePuller({ engine: wrong })(ref).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: "ERR_IMAGE_PULL_FAILED" });
    expect(JSON.stringify(refused)).not.toContain("not-the-password");
    await using right = await connect(auth.password);
    expect((await createImagePuller({ engine: right })(ref)).outcome).toBe("pulled");
    await right.images.remove(ref);
  });

  it("stop being pulled on abort", async () => {
    await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
    await using engine = await connectLab(proxy.dockerHost);
    proxy.add({ path: /\/images\/create/, fault: { kind: "hang" } });
    const controller = new AbortController();
    const reason = new Error("enough");
    const pulling = createImagePuller({ engine })(image, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(pulling).rejects.toBe(reason);
  });
});
