import type { PushEvent } from "@molecule-ai/core";
import {
  buildScratchImage,
  findTestRegistry,
  startFakeRegistry,
  startFaultProxy,
  startTestRegistry,
  uniqueName,
  type RegistryCredentials,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { randomBytes } from "node:crypto";
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { DockerEngine, EngineError } from "../src/index.js";
import { connect, labels, skip, socketPath } from "./setup.js";

const registryFound = await findTestRegistry();
const auth: RegistryCredentials = { username: "anna", password: "pa:ss/word+1?~" };
const credential = { kind: "password", ...auth } as const;
const dockerAuth = (host: string, password = auth.password): Record<string, string> => ({
  DOCKER_AUTH_CONFIG: JSON.stringify({
    auths: { [host]: { auth: Buffer.from(`${auth.username}:${password}`).toString("base64") } },
  }),
});

describe.skipIf(skip || registryFound.skip !== undefined)("pushing", () => {
  const source = `molecule-test/${uniqueName("push")}:1`;
  const engines: DockerEngine[] = [];
  let registry: TestRegistry;
  let open: TestRegistry;

  beforeAll(async () => {
    registry = await startTestRegistry({ auth });
    open = await startTestRegistry();
    const files = { "/data": { content: randomBytes(3_000_000) } };
    await buildScratchImage({ socketPath, ref: source, labels, files, busybox: false });
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await open[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine[Symbol.asyncDispose]();
  });

  async function engineOf(env: Record<string, string> = {}): Promise<DockerEngine> {
    const engine = await connect(env);
    engines.push(engine);
    return engine;
  }

  /** A tag of the source image that goes away with the tests' label. */
  async function tagged(engine: DockerEngine, host: string, repository = "box"): Promise<string> {
    const ref = `${host}/team/${repository}:${uniqueName("v")}`;
    await engine.images.tag(source, ref);
    return ref;
  }

  async function failureOf(work: Promise<unknown>): Promise<EngineError> {
    return work.then(
      () => {
        throw new Error("it did not fail");
      },
      (error: unknown) => error as EngineError,
    );
  }

  it("tells layers as they go, and the digest the registry has", async () => {
    const engine = await engineOf(dockerAuth(registry.host));
    const ref = await tagged(engine, registry.host, uniqueName("fresh"));
    const events: PushEvent[] = [];
    const pushed = await engine.images.push(ref, { onEvent: (event) => events.push(event) });
    expect(pushed.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(pushed.sizeBytes).toBeGreaterThan(100);
    const statuses = events.map((event) => (event.type === "push.layer" ? event.status : ""));
    expect(statuses[0]).toBe("preparing");
    expect(statuses).toContain("pushing");
    expect(statuses.at(-1)).toBe("complete");
    expect(events).toContainEqual(
      expect.objectContaining({
        ref,
        currentBytes: expect.any(Number) as number,
        totalBytes: expect.any(Number) as number,
      }),
    );
    const repository = ref.slice(0, ref.lastIndexOf(":"));
    expect((await engine.images.inspect(ref))?.digests).toContain(`${repository}@${pushed.digest}`);
    expect(await engine.images.pull(ref)).toEqual({ digest: pushed.digest });

    const again: PushEvent[] = [];
    expect(await engine.images.push(ref, { onEvent: (event) => again.push(event) })).toEqual(
      pushed,
    );
    expect(again.at(-1)).toMatchObject({ status: "exists" });
  });

  it("pushes one tag when none is named, not all of them", async () => {
    const engine = await engineOf();
    const repository = `${open.host}/team/${uniqueName("one")}`;
    await engine.images.tag(source, `${repository}:latest`);
    await engine.images.tag(source, `${repository}:other`);
    await engine.images.push(repository);
    const answer = await fetch(
      `${open.url}/v2/${repository.slice(open.host.length + 1)}/tags/list`,
    );
    expect(await answer.json()).toMatchObject({ tags: ["latest"] });
  });

  it("uses the credential it is given before the user's own, and keeps it to itself", async () => {
    const engine = await engineOf(dockerAuth(registry.host, "wrong"));
    const ref = await tagged(engine, registry.host);
    expect(await engine.images.push(ref, { credential })).toMatchObject({ sizeBytes: 527 });
    const wrong = { kind: "password", username: "anna", password: "hunter22-wrong" } as const;
    const error = await failureOf(engine.images.push(ref, { credential: wrong }));
    expect(error).toMatchObject({
      code: "ERR_PUSH_UNAUTHORIZED",
      hint: expect.stringContaining("does not accept") as string,
      details: { authenticated: true, registry: registry.host },
    });
    expect(JSON.stringify([error, String(error.cause)])).not.toContain("hunter22");
  });

  it("tells a stranger to log in", async () => {
    const engine = await engineOf();
    await expect(engine.images.push(await tagged(engine, registry.host))).rejects.toMatchObject({
      code: "ERR_PUSH_UNAUTHORIZED",
      retryable: false,
      hint: `Log in with docker login ${registry.host}.`,
      details: { authenticated: false },
    });
  });

  it("tells an image that is not there from one that is not accepted", async () => {
    const engine = await engineOf();
    await expect(engine.images.push(`${open.host}/team/absent:1`)).rejects.toMatchObject({
      code: "ERR_ENGINE_IMAGE_NOT_FOUND",
    });
    await expect(
      engine.images.push(`${open.host}/team/box@sha256:${"a".repeat(64)}`),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_BAD_REQUEST" });
    await expect(engine.images.push("Not A Name")).rejects.toMatchObject({
      code: "ERR_IMAGE_REFERENCE_INVALID",
    });
  });

  it("fails when nobody serves there", async () => {
    const engine = await engineOf();
    await expect(engine.images.push(await tagged(engine, "127.0.0.1:1"))).rejects.toMatchObject({
      code: "ERR_PUSH_UNAVAILABLE",
      retryable: true,
    });
  });

  it.each([
    ["unauthorized", "ERR_PUSH_UNAUTHORIZED"],
    ["forbidden", "ERR_PUSH_FORBIDDEN"],
    ["rate-limited", "ERR_PUSH_RATE_LIMITED"],
  ] as const)("names what the registry answered: %s", async (fault, code) => {
    await using fake = await startFakeRegistry({ fault });
    const engine = await engineOf();
    const error = await failureOf(engine.images.push(await tagged(engine, fake.host)));
    expect(error).toMatchObject({ code, retryable: code === "ERR_PUSH_RATE_LIMITED" });
    expect(error.hint).toBeTruthy();
  });

  it("stops in the engine when aborted", async () => {
    await using relay = await startStallingRelay(Number(open.host.split(":")[1]), 500_000);
    const engine = await engineOf();
    const ref = `${relay.host}/team/${uniqueName("aborted")}:1`;
    // Far more than sockets hold: engine 20.10 gives up an upload only while it sends.
    const files = { "/data": { content: randomBytes(32_000_000) } };
    await buildScratchImage({ socketPath, ref, labels, files, busybox: false });
    const controller = new AbortController();
    const reason = new Error("enough");
    const pushing = engine.images.push(ref, { signal: controller.signal });
    await expect.poll(() => relay.stalled).toBe(1);
    controller.abort(reason);
    await expect(pushing).rejects.toBe(reason);
    // The engine gives up its upload: it would try again otherwise.
    await expect.poll(() => relay.stalled).toBe(0);
    const repository = ref.slice(relay.host.length + 1, ref.lastIndexOf(":"));
    const answer = await fetch(`${open.url}/v2/${repository}/tags/list`);
    expect(answer.status).toBe(404);
  });

  it("does not take a progress stream that is cut for a push", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const engine = await engineOf({ DOCKER_HOST: proxy.dockerHost });
    const ref = await tagged(engine, open.host);
    for (const fault of [
      { kind: "truncate", bytes: 20 },
      { kind: "eof", bytes: 20 },
    ] as const) {
      proxy.clear();
      proxy.add({ path: /\/push/, fault });
      await expect(engine.images.push(ref), JSON.stringify(fault)).rejects.toMatchObject({
        code: "ERR_ENGINE_TRUNCATED",
      });
    }
    proxy.clear();
    proxy.add({
      path: /\/push/,
      fault: { kind: "answer", status: 200, body: '{"status":"The push refers to …"}\n' },
    });
    await expect(engine.images.push(ref)).rejects.toMatchObject({ code: "ERR_ENGINE_TRUNCATED" });
    proxy.clear();
    proxy.add({
      path: /\/push/,
      fault: {
        kind: "answer",
        status: 200,
        body: '{"errorDetail":{"message":"denied: requested access to the resource is denied"}}\n',
      },
    });
    await expect(engine.images.push(ref)).rejects.toMatchObject({
      code: "ERR_PUSH_FORBIDDEN",
      details: { engineMessage: "denied: requested access to the resource is denied" },
    });
  });

  it("passes a platform through as the engine wants it", async () => {
    await using proxy = await startFaultProxy({ socketPath });
    const engine = await engineOf({ DOCKER_HOST: proxy.dockerHost });
    const ref = await tagged(engine, open.host);
    await engine.images.push(ref, { platform: "linux/arm64/v8" });
    const path = proxy.requests.find((request) => request.path.includes("/push?"))?.path ?? "";
    const query = new URLSearchParams(path.slice(path.indexOf("?")));
    expect(JSON.parse(query.get("platform") ?? "")).toEqual({
      os: "linux",
      architecture: "arm64",
      variant: "v8",
    });
  });
});

/**
 * Passes connections on to a local port. Of one that has sent so many bytes it passes nothing on,
 * and takes no more than a chunk in 100 ms.
 */
async function startStallingRelay(
  port: number,
  bytes: number,
): Promise<AsyncDisposable & { readonly host: string; readonly stalled: number }> {
  let stalled = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connectSocket(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
    let sent = 0;
    client.on("data", (chunk) => {
      sent += chunk.length;
      if (sent <= bytes) {
        upstream.write(chunk);
        return;
      }
      if (sent - chunk.length <= bytes) stalled += 1;
      client.pause();
      setTimeout(() => client.resume(), 100);
    });
    client.on("error", () => undefined);
    upstream.on("error", () => undefined);
    client.on("close", () => {
      if (sent > bytes) stalled -= 1;
      upstream.destroy();
    });
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get stalled() {
      return stalled;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      // A connection still held would keep the server open, and hide the failure of the test.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
