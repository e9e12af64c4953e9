import { createRedactor, type PullEvent } from "@molecule-ai/core";
import {
  busyboxImage,
  callEngine,
  findTestRegistry,
  pushImage,
  startFakeRegistry,
  startFaultProxy,
  startTestRegistry,
  type RegistryCredentials,
  type RegistryFault,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  connectEngine,
  createRegistryCredentials,
  engineSettingsFromEnv,
  type DockerEngine,
  type EngineError,
} from "../src/index.js";
import { skip, socketPath } from "./setup.js";

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), "fixtures/bin");
const registryFound = await findTestRegistry();

let home: string;
const engines: DockerEngine[] = [];
const pulled: string[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "pull-test-"));
  await mkdir(join(home, ".docker"));
});
afterEach(async () => {
  for (const ref of pulled.splice(0)) {
    await callEngine(socketPath, { method: "DELETE", path: `/images/${ref}` });
  }
  for (const engine of engines.splice(0)) await engine[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

async function connect(
  env: Record<string, string> = {},
  redactor = createRedactor(),
): Promise<DockerEngine> {
  const settings = engineSettingsFromEnv(
    {
      DOCKER_HOST: `unix://${socketPath}`,
      PATH: `${FIXTURES}:${process.env["PATH"]}`,
      HOME: home,
      ...env,
    },
    { homeDirectory: home, platform: process.platform },
  );
  const engine = await connectEngine({ settings, redactor });
  engines.push(engine);
  return engine;
}

const writeConfig = (config: object): Promise<void> =>
  writeFile(join(home, ".docker/config.json"), JSON.stringify(config));

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function failureOf(work: Promise<unknown>): Promise<EngineError> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as EngineError,
  );
}

describe.skipIf(skip)("pulling", () => {
  it("tells layers as they come, and the digest", async () => {
    await using registry = await startFakeRegistry({ layerBytes: 2_000_000 });
    const engine = await connect();
    const ref = `${registry.host}/team/agent:1`;
    pulled.push(ref);
    const events: PullEvent[] = [];
    const { digest } = await engine.images.pull(ref, { onEvent: (event) => events.push(event) });
    expect(digest).toBe(registry.digest);
    const statuses = events.map((event) => (event.type === "pull.layer" ? event.status : ""));
    expect(statuses[0]).toBe("waiting");
    expect(statuses).toContain("downloading");
    expect(statuses.at(-1)).toBe("complete");
    const downloading = events.find((e) => e.type === "pull.layer" && e.status === "downloading");
    expect(downloading).toMatchObject({
      ref,
      totalBytes: expect.any(Number) as number,
      currentBytes: expect.any(Number) as number,
    });
    expect((await engine.images.inspect(ref))?.digests).toEqual([
      `${registry.host}/team/agent@${registry.digest}`,
    ]);
    // By digest, and again when all is there.
    const exact = `${registry.host}/team/agent@${registry.digest}`;
    expect(await engine.images.pull(exact)).toEqual({ digest: registry.digest });
    pulled.push(exact);
  });

  it("pulls one tag when none is named, not all of them", async () => {
    await using registry = await startFakeRegistry();
    const engine = await connect();
    pulled.push(`${registry.host}/team/agent:latest`);
    await engine.images.pull(`${registry.host}/team/agent`);
    expect(registry.requests.map((r) => r.path)).toContain("/v2/team/agent/manifests/latest");
    expect(registry.requests.some((r) => r.path.includes("tags/list"))).toBe(false);
  });

  it("passes the platform through", async () => {
    await using registry = await startFakeRegistry();
    const engine = await connect();
    const ref = `${registry.host}/team/agent:1`;
    pulled.push(ref);
    await using proxy = await startFaultProxy({ socketPath });
    const proxied = await connect({ DOCKER_HOST: proxy.dockerHost });
    const { arch } = await engine.info();
    await proxied.images.pull(ref, { platform: `linux/${arch}` });
    expect(proxy.requests.some((r) => r.path.includes(`platform=linux%2F${arch}`))).toBe(true);
  });

  it.each([
    ["unauthorized", "ERR_PULL_UNAUTHORIZED", 401],
    ["forbidden", "ERR_PULL_FORBIDDEN", 403],
    ["not-found", "ERR_PULL_NOT_FOUND", 404],
    ["rate-limited", "ERR_PULL_RATE_LIMITED", 429],
    ["server-error", "ERR_PULL_FAILED", 500],
  ] as const)("names what the registry answered: %s", async (fault, code, status) => {
    await using registry = await startFakeRegistry({ fault });
    const engine = await connect();
    const ref = `${registry.host}/team/agent:1`;
    const error = await failureOf(engine.images.pull(ref));
    expect(error).toMatchObject({
      code,
      message: expect.stringContaining(ref) as string,
      retryable: code === "ERR_PULL_RATE_LIMITED" || code === "ERR_PULL_FAILED",
      details: { registry: registry.host, registryStatus: status, authenticated: false },
    });
    expect(error.hint).toBeTruthy();
    expect(error.cause).toBeDefined();
    expect(await engine.images.inspect(ref)).toBeUndefined();
  });

  it("fails when a layer is not what its digest says, and leaves nothing", async () => {
    await using registry = await startFakeRegistry({ fault: "wrong-digest" });
    const engine = await connect();
    const ref = `${registry.host}/team/agent:1`;
    await expect(engine.images.pull(ref)).rejects.toMatchObject({
      code: "ERR_PULL_FAILED",
      details: { registryStatus: 200 },
    });
    expect(await engine.images.inspect(ref)).toBeUndefined();
  });

  it("stops trying a layer that always breaks off when aborted", async () => {
    await using registry = await startFakeRegistry({ fault: "truncated-layer" });
    const engine = await connect();
    const ref = `${registry.host}/team/agent:1`;
    const controller = new AbortController();
    const reason = new Error("enough");
    const pulling = engine.images.pull(ref, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "pull.layer" && event.status === "downloading") controller.abort(reason);
      },
    });
    await expect(pulling).rejects.toBe(reason);
    expect(await engine.images.inspect(ref)).toBeUndefined();
    // The layer is taken up again once the registry recovers.
    registry.fault = "none";
    pulled.push(ref);
    expect(await engine.images.pull(ref)).toEqual({ digest: registry.digest });
  });

  it("fails when nobody serves there, and when the name is none", async () => {
    const engine = await connect();
    await expect(engine.images.pull("127.0.0.1:1/x:1")).rejects.toMatchObject({
      code: "ERR_PULL_FAILED",
    });
    await expect(engine.images.pull("Not A Name")).rejects.toMatchObject({
      code: "ERR_IMAGE_REFERENCE_INVALID",
    });
  });

  it("does not take a progress stream that is cut for a pull", async () => {
    await using registry = await startFakeRegistry();
    await using proxy = await startFaultProxy({ socketPath });
    const engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    const ref = `${registry.host}/team/agent:1`;
    pulled.push(ref);
    const first = '{"status":"Pulling from team/agent","id":"1"}\r\n'.length;
    // Inside a message, between two, before the last newline's line, and a broken connection.
    for (const fault of [
      { kind: "truncate", bytes: 20 },
      { kind: "truncate", bytes: first },
      { kind: "truncate", bytes: first - 2 },
      { kind: "eof", bytes: 20 },
    ] as const) {
      proxy.clear();
      proxy.add({ path: /\/images\/create/, fault });
      await expect(engine.images.pull(ref), JSON.stringify(fault)).rejects.toMatchObject({
        code: "ERR_ENGINE_TRUNCATED",
      });
    }
    proxy.clear();
    proxy.add({
      path: /\/images\/create/,
      fault: { kind: "answer", status: 200, body: '{"errorDetail":{"message":"disk full"}}\n' },
    });
    await expect(engine.images.pull(ref)).rejects.toMatchObject({
      code: "ERR_PULL_FAILED",
      details: { engineMessage: "disk full" },
    });
  });

  it("keeps its own error when the engine dies before it can explain", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    proxy.add({ path: /\/images\/create/, fault: { kind: "answer", status: 500 } });
    proxy.add({ path: /\/distribution/, fault: { kind: "drop-request" } });
    await expect(engine.images.pull("127.0.0.1:1/x:1")).rejects.toMatchObject({
      code: "ERR_PULL_FAILED",
      cause: { code: "ERR_ENGINE_SERVER" },
    });
  });
});

describe.skipIf(skip || registryFound.skip !== undefined)("credentials", () => {
  const auth: RegistryCredentials = { username: "anna", password: "pa:ss/word+1?~" };
  let registry: TestRegistry;
  let ref: string;

  beforeAll(async () => {
    registry = await startTestRegistry({ auth });
    ref = `${registry.host}/team/box:v1`;
    await pushImage(socketPath, await busyboxImage(socketPath), ref, auth);
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const expectPull = async (env: Record<string, string> = {}): Promise<void> => {
    const engine = await connect(env);
    pulled.push(ref);
    const { digest } = await engine.images.pull(ref);
    expect(digest).toMatch(/^sha256:/);
  };

  it("are needed: a stranger is told to log in", async () => {
    const engine = await connect();
    await expect(engine.images.pull(ref)).rejects.toMatchObject({
      code: "ERR_PULL_UNAUTHORIZED",
      hint: expect.stringContaining(`docker login ${registry.host}`) as string,
      details: { authenticated: false },
    });
    expect(await engine.registryAuth(ref)).toBeUndefined();
  });

  it("come from Docker's configuration", async () => {
    await writeConfig({
      auths: {
        [`http://${registry.host}/v1/`]: { auth: base64(`${auth.username}:${auth.password}`) },
      },
    });
    await expectPull();
  });

  it("come from DOCKER_AUTH_CONFIG, before the file", async () => {
    await writeConfig({ auths: { [registry.host]: { auth: base64("anna:wrong") } } });
    const right = base64(`${auth.username}:${auth.password}`);
    const config = JSON.stringify({ auths: { [registry.host]: { auth: right } } });
    await expectPull({ DOCKER_AUTH_CONFIG: config });
  });

  it("come from the registry's own helper, before the general one and the file", async () => {
    await writeConfig({
      auths: { [registry.host]: { auth: base64("anna:wrong") } },
      credsStore: "broken",
      credHelpers: { [registry.host]: "fixture" },
    });
    await writeFile(
      join(home, "helper.json"),
      JSON.stringify({ [registry.host]: { Username: auth.username, Secret: auth.password } }),
    );
    await expectPull();
  });

  it("come from the general helper, and from the file when it has none", async () => {
    await writeConfig({ credsStore: "fixture" });
    const helper = join(home, "helper.json");
    const entry = { Username: auth.username, Secret: auth.password };
    await writeFile(helper, JSON.stringify({ [registry.host]: entry }));
    await expectPull();
    await rm(helper);
    await writeConfig({
      credsStore: "fixture",
      auths: { [registry.host]: { auth: base64(`${auth.username}:${auth.password}`) } },
    });
    await expectPull();
  });

  it("can be looked up without an engine", async () => {
    await writeConfig({
      auths: { [registry.host]: { auth: base64(`${auth.username}:${auth.password}`) } },
      credHelpers: { "registry.example.com": "broken" },
    });
    const settings = engineSettingsFromEnv(
      { PATH: FIXTURES, HOME: home },
      { homeDirectory: home, platform: process.platform },
    );
    const warnings: string[] = [];
    const find = createRegistryCredentials({
      settings,
      redactor: createRedactor(),
      onEvent: ({ code }) => warnings.push(code),
    });
    expect(await find(registry.host)).toEqual({ kind: "password", ...auth });
    expect(await find("other.example.com")).toBeUndefined();
    expect(await find("registry.example.com")).toBeUndefined();
    expect(warnings).toEqual(["WARN_CREDENTIAL_HELPER"]);
  });

  it("that are wrong are told apart from none", async () => {
    await writeConfig({ auths: { [registry.host]: { auth: base64("anna:hunter22-wrong") } } });
    const error = await failureOf((await connect()).images.pull(ref));
    expect(error).toMatchObject({
      code: "ERR_PULL_UNAUTHORIZED",
      hint: expect.stringContaining("does not accept") as string,
      details: { authenticated: true },
    });
    expect(JSON.stringify(error)).not.toContain("hunter22");
  });

  it.each([
    ["broken", "failed with exit code 3"],
    ["chatty", "printed something else than JSON"],
    ["absent", "is not installed"],
    ["../../bin/sh", "is no credential helper"],
  ])(
    "of a helper that does not work (%s) are a warning, and its output is not shown",
    async (name, why) => {
      await writeConfig({ credsStore: name });
      const engine = await connect();
      const events: PullEvent[] = [];
      const error = await failureOf(engine.images.pull(ref, { onEvent: (e) => events.push(e) }));
      expect(events[0]).toMatchObject({
        type: "warning",
        code: "WARN_CREDENTIAL_HELPER",
        message: expect.stringContaining(why) as string,
      });
      expect(error.code).toBe("ERR_PULL_UNAUTHORIZED");
      expect(error.hint).toContain(why);
      expect(JSON.stringify([events, error, String(error.cause)])).not.toContain("hunter22");
    },
  );

  it("of a helper that hangs can be given up", async () => {
    await writeConfig({ credsStore: "stuck" });
    const engine = await connect();
    const controller = new AbortController();
    const reason = new Error("no patience");
    setTimeout(() => controller.abort(reason), 100);
    await expect(engine.images.pull(ref, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("reach a registry that hands out tokens", async () => {
    const bob = { username: "bob", password: "token-pw" };
    await using fake = await startFakeRegistry({ auth: bob });
    const target = `${fake.host}/private/agent:1`;
    const stranger = await connect();
    await expect(stranger.images.pull(target)).rejects.toMatchObject({
      code: "ERR_PULL_UNAUTHORIZED",
    });
    await writeConfig({ auths: { [fake.host]: { auth: base64("bob:wrong") } } });
    const pretender = await connect();
    await expect(pretender.images.pull(target)).rejects.toMatchObject({
      code: "ERR_PULL_UNAUTHORIZED",
      details: { authenticated: true },
    });
    await writeConfig({
      auths: { [fake.host]: { auth: base64(`${bob.username}:${bob.password}`) } },
    });
    pulled.push(target);
    const friend = await connect();
    expect(await friend.images.pull(target)).toEqual({ digest: fake.digest });
    const faults: RegistryFault[] = ["forbidden", "not-found"];
    for (const fault of faults) {
      fake.fault = fault;
      const error = await failureOf(friend.images.pull(`${fake.host}/private/other:1`));
      expect(error.code).toBe(fault === "forbidden" ? "ERR_PULL_FORBIDDEN" : "ERR_PULL_NOT_FOUND");
    }
  });

  it("become the engine's headers, and are known to the redactor", async () => {
    await writeConfig({
      credsStore: "fixture",
      auths: { "old.example.com": { auth: base64("u:file-secret-1") } },
    });
    await writeFile(
      join(home, "helper.json"),
      JSON.stringify({
        "https://index.docker.io/v1/": { Username: "<token>", Secret: "identity-secret-2" },
        "quay.example.com": { Username: "robot", Secret: "helper-secret-3" },
      }),
    );
    const redactor = createRedactor();
    const engine = await connect({ GHCR_USER: "me", GHCR_TOKEN: "ghcr-secret-4" }, redactor);
    const decode = (header: string | undefined): unknown =>
      JSON.parse(Buffer.from(header ?? "", "base64url").toString());
    const hub = await engine.registryAuth("busybox");
    expect(decode(hub)).toEqual({
      identitytoken: "identity-secret-2",
      serveraddress: "https://index.docker.io/v1/",
    });
    expect(decode(await engine.registryAuth("ghcr.io/molecule-ai/x:latest"))).toEqual({
      username: "me",
      password: "ghcr-secret-4",
      serveraddress: "ghcr.io",
    });
    expect(await engine.registryAuth("elsewhere.example.com/x")).toBeUndefined();
    const all = await engine.registryConfig();
    expect(decode(all)).toEqual({
      "https://index.docker.io/v1/": {
        identitytoken: "identity-secret-2",
        serveraddress: "https://index.docker.io/v1/",
      },
      "quay.example.com": {
        username: "robot",
        password: "helper-secret-3",
        serveraddress: "quay.example.com",
      },
      "old.example.com": {
        username: "u",
        password: "file-secret-1",
        serveraddress: "old.example.com",
      },
      "ghcr.io": { username: "me", password: "ghcr-secret-4", serveraddress: "ghcr.io" },
    });
    const shown = redactor.redact(
      `identity-secret-2 helper-secret-3 file-secret-1 ghcr-secret-4 ${hub} ${all} ${base64("me:ghcr-secret-4")}`,
    );
    expect(shown).not.toMatch(/secret-\d/);
    expect(shown).not.toContain(hub?.slice(10, 40));
  });
});
