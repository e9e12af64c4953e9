import type { DockerEngine } from "@molecule-ai/docker-engine";
import { runProcess } from "@molecule-ai/process-runner";
import { createRegistryClient, type RegistryClient } from "@molecule-ai/registry-client";
import {
  buildScratchImage,
  cleanupEngine,
  findBuildx,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
  uniqueName,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadImages, saveImages } from "../src/publish/archive-file.js";
import { resolveLogins } from "../src/publish/credentials.js";
import { createDockerConfig, type DockerConfig } from "../src/publish/docker-config.js";
import { promoteImage } from "../src/publish/promote.js";
import type { PublishEvent } from "../src/publish/publish-event.js";
import { publishImages } from "../src/publish/publish-images.js";
import { PushError } from "../src/publish/push-error.js";
import { pushTags } from "../src/publish/push.js";
import { startRegistryProxy } from "./registry-proxy.js";
import { engineAt } from "./setup.js";

const engineFound = await findTestEngine();
const registryFound = await findTestRegistry();
const buildx = await findBuildx();
const skip = engineFound.skip ?? registryFound.skip;
const socketPath = engineFound.socketPath ?? "";
const run = uniqueName("publish");
const source = `molecule-test/${run}:source`;
const secretA = `secret-of-a-${randomBytes(6).toString("hex")}`;
const secretB = `secret-of-b-${randomBytes(6).toString("hex")}`;

describe.skipIf(skip !== undefined)("publishing through a real engine to real registries", () => {
  let engine: DockerEngine;
  let a: TestRegistry;
  let b: TestRegistry;
  let registry: RegistryClient;
  let parent: string;
  const secrets = new Map<string, string>();
  const env = { A_USER: "anna", A_TOKEN: secretA, B_USER: "bert", B_PASSWORD: secretB };

  beforeAll(async () => {
    engine = await engineAt(socketPath);
    a = await startTestRegistry({ auth: { username: "anna", password: secretA } });
    b = await startTestRegistry({ auth: { username: "bert", password: secretB } });
    secrets.set(a.host, secretA).set(b.host, secretB);
    registry = createRegistryClient({
      credentials: (host) => {
        const password = secrets.get(host);
        if (password === undefined) return Promise.resolve(undefined);
        const username = password === secretA ? "anna" : "bert";
        return Promise.resolve({ kind: "password", username, password });
      },
    });
    await buildScratchImage({
      socketPath,
      ref: source,
      labels: { "molecule.test.run": run },
      // Nothing that compresses, and nothing that a registry has already.
      files: { "/data": { content: randomBytes(12 * 1024 * 1024) } },
    });
  });
  beforeEach(async () => {
    parent ??= await mkdtemp(join(tmpdir(), "molecule-publish-it-"));
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await cleanupEngine(socketPath, `molecule.test.run=${run}`);
    await engine[Symbol.asyncDispose]();
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await rm(parent, { recursive: true, force: true });
  });

  const target = (host: string, path: string, credentials: string, ...tags: string[]) => ({
    url: `http://${host}/`,
    path,
    tags,
    credentials,
  });
  const logIn = (
    targets: ReturnType<typeof target>[],
    variables: Record<string, string> = env,
  ): Promise<DockerConfig> =>
    createDockerConfig({ logins: resolveLogins(targets, variables).logins, parent });

  it("refuses wrong credentials at the login, without telling them, and leaves nothing", async () => {
    const wrong = { ...env, A_TOKEN: "not-the-secret" };
    const error = await logIn([target(a.host, "x", "a", "1")], wrong).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: "ERR_PUSH_CREDENTIALS",
      message: expect.stringContaining(a.host) as string,
      hint: expect.stringContaining("A_TOKEN") as string,
    });
    expect(JSON.stringify(error)).not.toContain("not-the-secret");
    expect(await readdir(parent)).toEqual([]);
  });

  it("logs in to all registries of the operation and to no other, for its owner only", async () => {
    const config = await logIn([target(a.host, "x", "a", "1"), target(b.host, "y", "B", "1")]);
    expect((await stat(config.directory)).mode & 0o777).toBe(0o700);
    const file = join(config.directory, "config.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { auths } = JSON.parse(await readFile(file, "utf8")) as { auths: object };
    expect(Object.keys(auths)).toEqual([a.host, b.host]);
    expect(config.credential(b.host)).toMatchObject({ username: "bert" });
    expect(config.credential("ghcr.io")).toBeUndefined();
    await config[Symbol.asyncDispose]();
    await config[Symbol.asyncDispose]();
    expect(await readdir(parent)).toEqual([]);
  });

  it("removes what a killed process left, and nothing of a living one", async () => {
    await using living = await logIn([]);
    const { scope } = JSON.parse(await readFile(join(living.directory, "owner.json"), "utf8")) as {
      scope: string;
    };
    const dead = spawnSync("true").pid;
    const leave = async (name: string, owner?: object): Promise<string> => {
      const directory = join(parent, `molecule-docker-config-${name}`);
      await mkdir(directory);
      if (owner !== undefined)
        await writeFile(join(directory, "owner.json"), JSON.stringify(owner));
      await writeFile(join(directory, "config.json"), secretA);
      return directory;
    };
    await leave("killed", { pid: dead, scope });
    await leave("elsewhere", { pid: dead, scope: "another machine" });
    const old = await leave("before-it-had-an-owner");
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(old, longAgo, longAgo);
    await leave("just-made");
    {
      await using _config = await logIn([]);
      const left = (await readdir(parent)).filter((name) => name.includes("-config-"));
      expect(left.filter((name) => /killed|elsewhere|before|just/.test(name)).sort()).toEqual([
        "molecule-docker-config-elsewhere",
        "molecule-docker-config-just-made",
      ]);
      expect(left).toContain(living.directory.slice(parent.length + 1));
    }
    await rm(join(parent, "molecule-docker-config-elsewhere"), { recursive: true });
    await rm(join(parent, "molecule-docker-config-just-made"), { recursive: true });
  });

  it("publishes, proves the digest, and promotes by it to another registry", async () => {
    const to = target(a.host, `${run}/app`, "a", "1", "latest");
    const next = target(b.host, `${run}/prod`, "b", "stable");
    for (const tag of to.tags) await engine.images.tag(source, `${a.host}/${to.path}:${tag}`);
    const events: PublishEvent[] = [];
    let digest: string | undefined;
    {
      await using config = await logIn([to, next]);
      const publishing = publishImages({
        engine,
        registry,
        steps: [
          { load: true, push: false, registries: [to, { ...to, url: "l", provider: "local" }] },
        ],
        credential: config.credential,
        buildInstance: { commit: "c0ffee" },
        onEvent: (event) => events.push(event),
      });
      const shown = new Set<string>();
      let isOver = false;
      const watching = (async () => {
        while (!isOver) for (const place of await secretIn(parent)) shown.add(place);
      })();
      const published = await publishing.finally(() => (isOver = true));
      await watching;
      const configFile = join(config.directory, "config.json").slice(parent.length + 1);
      expect([...shown]).toEqual([configFile]);
      digest = published[0]?.digest;
      expect(published).toMatchObject([
        {
          tag: "1",
          digest,
          observedBy: "registry",
          credentialRef: "a",
          buildInstance: { commit: "c0ffee" },
        },
        { tag: "latest", digest, observedDigest: digest },
      ]);
      expect(JSON.stringify(published) + JSON.stringify(events)).not.toContain(secretA);
      expect(events.filter(({ type }) => type === "push.tag")).toHaveLength(4);
    }
    expect(await secretIn(parent)).toEqual([]);
    const [image] = await publishImages({
      engine,
      registry,
      steps: [{ load: true, push: false, registries: [{ ...to, tags: ["1"] }] }],
      credential: () => ({ kind: "password", username: "anna", password: secretA }),
    });
    if (image === undefined) throw new Error("nothing was published");
    expect(image.digest).toBe(digest);
    const promoted = await promoteImage({ registry, image, targets: [next] });
    expect(promoted).toMatchObject([{ host: b.host, tag: "stable", digest, credentialRef: "b" }]);
    expect(await registry.resolve(`${b.host}/${next.path}:stable`)).toMatchObject({ digest });
    expect(await readdir(parent)).toEqual([]);
  });

  it("stops at the tag that fails and goes on from there", async () => {
    const tags = [
      `${a.host}/${run}/resume:1`,
      `${b.host}/${run}/resume:2`,
      `${a.host}/${run}/resume:3`,
    ];
    for (const tag of tags) await engine.images.tag(source, tag);
    const right = (host: string) =>
      host === a.host
        ? ({ kind: "password", username: "anna", password: secretA } as const)
        : ({ kind: "password", username: "bert", password: secretB } as const);
    const wrong = (host: string) =>
      host === a.host ? right(host) : { ...right(host), password: "no" };
    const error = await pushTags({ engine, tags, credential: wrong }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PushError);
    const failed = error as PushError;
    expect(failed).toMatchObject({
      code: "ERR_PUSH_FAILED",
      tag: tags[1],
      failureClass: "credentials",
      retryable: false,
      remaining: tags.slice(1),
    });
    expect(failed.pushed.map(({ tag }) => tag)).toEqual(tags.slice(0, 1));
    expect(await registry.resolve(tags[2] ?? "")).toBeUndefined();
    const started: string[] = [];
    const pushed = await pushTags({
      engine,
      tags,
      done: failed.pushed,
      credential: right,
      onEvent: (event) => {
        if (event.type === "push.tag" && event.status === "started") started.push(event.tag);
      },
    });
    expect(started).toEqual(tags.slice(1));
    for (const { tag, digest } of pushed) {
      expect(await registry.resolve(tag)).toMatchObject({ digest });
    }
  });

  it("moves no tag when it is cancelled, and says what was pushed", async () => {
    await using proxy = await startRegistryProxy(a.host);
    secrets.set(proxy.host, secretA);
    const tags = [`${a.host}/${run}/resume:1`, `${proxy.host}/${run}/cancelled:1`];
    for (const tag of tags) await engine.images.tag(source, tag);
    const controller = new AbortController();
    const reason = new Error("enough");
    const events: PublishEvent[] = [];
    proxy.limit(2 * 1024 * 1024, "hold");
    const pushing = pushTags({
      engine,
      tags,
      credential: () => ({ kind: "password", username: "anna", password: secretA }),
      signal: controller.signal,
      onEvent: (event) => events.push(event),
    });
    const outcome = pushing.catch((error: unknown) => error);
    while (proxy.sentBytes < 1024 * 1024) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    expect(events.at(-1)).toMatchObject({
      type: "push.cancelled",
      pushed: [{ tag: tags[0] }],
      remaining: [tags[1]],
    });
    proxy.open();
    expect(await registry.resolve(`${a.host}/${run}/cancelled:1`)).toBeUndefined();
  });

  it("names the lost registry, and goes on when it is back", async () => {
    await using proxy = await startRegistryProxy(a.host);
    secrets.set(proxy.host, secretA);
    const tag = `${proxy.host}/${run}/lost:1`;
    await engine.images.tag(source, tag);
    const push = (): Promise<unknown> =>
      pushTags({
        engine,
        tags: [tag],
        attempts: 1,
        credential: () => ({ kind: "password", username: "anna", password: secretA }),
      });
    proxy.limit(2 * 1024 * 1024, "break");
    await expect(push()).rejects.toMatchObject({
      code: "ERR_PUSH_FAILED",
      failureClass: "network",
      retryable: true,
      tag,
    });
    proxy.open();
    expect(await registry.resolve(tag)).toBeUndefined();
    await push();
    expect(await registry.resolve(tag)).toBeDefined();
  }, 180_000);

  it("saves into a whole file or none, and loads it again", async () => {
    const path = join(parent, "image.tar");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 5);
    const { signal } = controller;
    await expect(saveImages({ engine, refs: [source], path, signal })).rejects.toBe(reason);
    expect(await readdir(parent)).toEqual([]);
    const { sizeBytes } = await saveImages({ engine, refs: [source], path });
    expect((await stat(path)).size).toBe(sizeBytes);
    expect(sizeBytes).toBeGreaterThan(12 * 1024 * 1024);
    expect(await loadImages({ engine, path })).toMatchObject({ references: [source] });
    for (const [at, code] of [
      [join(parent, "absent.tar"), "ERR_IMAGE_ARCHIVE"],
      [parent, "ERR_IMAGE_ARCHIVE"],
    ] as const) {
      await expect(loadImages({ engine, path: at })).rejects.toMatchObject({ code });
    }
    await expect(
      saveImages({ engine, refs: [source], path: join(parent, "no", "x.tar") }),
    ).rejects.toMatchObject({ code: "ERR_IMAGE_ARCHIVE" });
    await expect(
      saveImages({ engine, refs: ["molecule-test/absent:1"], path }),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
    await rm(path);
  });

  it.skipIf(buildx.skip !== undefined)("is what buildx logs in with", async () => {
    const ref = `${a.host}/${run}/app:1`;
    const inspect = async (variables: Record<string, string>): Promise<string> => {
      const outcome = await runProcess({
        file: buildx.file ?? "",
        args: ["imagetools", "inspect", ref],
        env: { PATH: "/usr/bin:/bin", HOME: parent, ...variables },
        stdoutLimitBytes: 1024 * 1024,
        signal: AbortSignal.timeout(30_000),
      });
      return outcome.kind === "exited" ? outcome.stdout.toString() : outcome.kind;
    };
    await using config = await logIn([target(a.host, "x", "a", "1")]);
    const { digest } = (await registry.resolve(ref)) ?? {};
    expect(await inspect(config.env)).toContain(digest);
    expect(await inspect({ DOCKER_CONFIG: join(parent, "none") })).toBe("failed");
  });
});

/** Files under the directory, and processes, that show a secret, plain or as Docker encodes it. */
async function secretIn(directory: string): Promise<string[]> {
  const forms = [`anna:${secretA}`, `bert:${secretB}`].flatMap((pair) => [
    pair.slice(pair.indexOf(":") + 1),
    Buffer.from(pair).toString("base64"),
  ]);
  const found: string[] = [];
  const shows = async (path: string): Promise<boolean> => {
    const text = await readFile(path, "latin1").catch(() => "");
    return forms.some((form) => text.includes(form));
  };
  for (const entry of await readdir(directory, { recursive: true })) {
    if (await shows(join(directory, entry))) found.push(entry);
  }
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    for (const file of ["cmdline", "environ"]) {
      if (await shows(`/proc/${pid}/${file}`)) found.push(`${pid}/${file}`);
    }
  }
  return found;
}
