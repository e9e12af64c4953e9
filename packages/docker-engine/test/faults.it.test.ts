import {
  busyboxImage,
  startFaultProxy,
  uniqueName,
  type Fault,
  type FaultProxy,
} from "@molecule-ai/testkit";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isEngineError, type DockerEngine, type EngineErrorCode } from "../src/index.js";
import { connect, labels, skip, socketPath } from "./setup.js";

const fails = (code: EngineErrorCode): { code: EngineErrorCode } => ({ code });

describe.skipIf(skip)("an engine behind a bad connection", () => {
  let proxy: FaultProxy;
  let engine: DockerEngine;
  let image: string;
  let id: string;

  beforeAll(async () => {
    proxy = await startFaultProxy({ socketPath });
    engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    image = await busyboxImage(socketPath);
    const made = await engine.containers.create(
      {
        Image: image,
        Labels: labels,
        StopSignal: "SIGKILL",
        Cmd: ["sh", "-c", "echo out; echo err >&2; sleep 600"],
      },
      { name: uniqueName("mol-faults") },
    );
    id = made.id;
    await engine.containers.start(id);
  });
  afterEach(() => {
    proxy.clear();
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const always = (path: RegExp, fault: Fault): void => {
    proxy.add({ path, fault });
  };
  const askedFor = (path: RegExp): number => proxy.requests.filter((r) => path.test(r.path)).length;

  it("does not take a failing engine for an absent container", async () => {
    const message = `No such container: ${id}`;
    always(/\/json$/, { kind: "answer", status: 500, body: { message } });
    await expect(engine.containers.inspect(id)).rejects.toMatchObject({
      ...fails("ERR_ENGINE_SERVER"),
      retryable: true,
      details: { status: 500, engineMessage: message },
    });
    proxy.clear();
    always(/\/json$/, { kind: "answer", status: 404, body: { message: "words nobody knows" } });
    expect(await engine.containers.inspect(id)).toBeUndefined();
  });

  it("cleans and bounds the engine's text", async () => {
    const message = `\u001b[31mbad\u001b[0m https://u:hunter22@h/ ${"x".repeat(50_000)}`;
    always(/\/volumes$/, { kind: "answer", status: 400, body: { message } });
    const error = await engine.volumes.list().catch((e: unknown) => e);
    expect(error).toMatchObject(fails("ERR_ENGINE_BAD_REQUEST"));
    const shown = JSON.stringify(error);
    expect(shown).toContain("bad https://***@h/");
    expect(shown).not.toMatch(/hunter22|\\u001b/);
    expect(shown.length).toBeLessThan(5000);
  });

  it("fails at once when the connection breaks inside an answer", async () => {
    always(/\/containers\/.*json/, { kind: "eof", bytes: 100 });
    await expect(engine.containers.inspect(id)).rejects.toMatchObject(
      fails("ERR_ENGINE_TRUNCATED"),
    );
    await expect(engine.containers.list()).rejects.toMatchObject(fails("ERR_ENGINE_TRUNCATED"));
  });

  it("fails on an answer that is cut but ends well, and on one that is no JSON", async () => {
    always(/\/containers\/.*json/, { kind: "truncate", bytes: 100 });
    await expect(engine.containers.inspect(id)).rejects.toMatchObject(fails("ERR_ENGINE_PROTOCOL"));
    proxy.clear();
    always(/\/volumes/, { kind: "answer", status: 200, body: "<html>" });
    await expect(engine.volumes.list()).rejects.toMatchObject(fails("ERR_ENGINE_PROTOCOL"));
    proxy.clear();
    always(/\/volumes/, { kind: "answer", status: 200, body: { Volumes: "many" } });
    await expect(engine.volumes.list()).rejects.toMatchObject(fails("ERR_ENGINE_PROTOCOL"));
  });

  it("repeats a question whose connection was lost once, and never an order", async () => {
    proxy.add({ path: /\/containers\/.*json/, times: 1, fault: { kind: "drop-request" } });
    expect((await engine.containers.inspect(id))?.id).toBe(id);
    const before = askedFor(/\/pause/);
    always(/\/pause/, { kind: "drop-answer" });
    await expect(engine.containers.pause(id)).rejects.toMatchObject({
      ...fails("ERR_ENGINE_TRUNCATED"),
      hint: expect.stringContaining("may have done") as string,
    });
    expect(askedFor(/\/pause/) - before).toBe(1);
    // The order had taken effect although its answer was lost.
    proxy.clear();
    expect((await engine.containers.inspect(id))?.state.status).toBe("paused");
    await engine.containers.unpause(id);
  });

  it("waits for a forced removal that somebody else began, though the state still says running", async () => {
    const made = await engine.containers.create(
      { Image: image, Labels: labels, StopSignal: "SIGKILL", Cmd: ["sleep", "600"] },
      { name: uniqueName("mol-faults") },
    );
    await engine.containers.start(made.id);
    const message = `removal of container ${made.id} is already in progress`;
    const answer = { kind: "answer", status: 409, body: { message } } as const;
    proxy.add({ method: "DELETE", path: /\/containers\//, times: 1, fault: answer });
    const removal = engine.containers.remove(made.id, { force: true });
    await using direct = await connect();
    setTimeout(() => void direct.containers.remove(made.id, { force: true }), 200);
    expect(await removal).toBe(true);
    expect(await direct.containers.inspect(made.id)).toBeUndefined();
  });

  it("gives up after the limit of a call, not before", async () => {
    await using hasty = await connect({ DOCKER_HOST: proxy.dockerHost }, { callTimeoutMs: 1000 });
    always(/\/volumes/, { kind: "hang" });
    await expect(hasty.volumes.list()).rejects.toMatchObject(fails("ERR_ENGINE_TIMEOUT"));
    proxy.clear();
    always(/\/volumes/, { kind: "delay", ms: 20 });
    expect(Array.isArray(await hasty.volumes.list())).toBe(true);
    // Following a silent log is not waiting for an answer.
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("seen enough")), 1600);
    const follow = async (): Promise<void> => {
      const options = { follow: true, tail: 0, signal: controller.signal };
      for await (const chunk of hasty.containers.logs(id, options)) expect(chunk).toBeUndefined();
    };
    await expect(follow()).rejects.toThrow("seen enough");
  });

  it("ends every kind of call on abort, with the caller's reason", async () => {
    always(/./, { kind: "hang" });
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("Ctrl-C");
    const calls = [
      engine.containers.inspect(id, { signal }),
      engine.containers.start(id, { signal }),
      engine.containers.wait(id, { signal }),
      engine.containers.exec(id, { argv: ["true"], signal }),
      engine.containers.putArchive(id, "/", Readable.from([Buffer.alloc(10)]), { signal }),
      engine.containers.getArchive(id, "/", { signal }),
      engine.images.pull("127.0.0.1:1/x:1", { signal }),
      engine.volumes.list(undefined, { signal }),
      engine.diskUsage({ signal }),
      engine.request({ method: "POST", path: "/build", subject: "Build", signal }),
    ].map((call) => call.catch((error: unknown) => error));
    setTimeout(() => controller.abort(reason), 50);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([reason]));
    await expect(engine.volumes.list(undefined, { signal })).rejects.toBe(reason);
  });

  it("ends a stream that is being read on abort", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const { body } = await engine.request({
      method: "GET",
      path: "/events",
      subject: "Watch",
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(reason), 20);
    await expect(text(body)).rejects.toBe(reason);
  });

  it("tells a late reader why a stream it never read has failed", async () => {
    const controller = new AbortController();
    const reason = new Error("too late");
    const { body } = await engine.request({
      method: "GET",
      path: "/events",
      subject: "Watch",
      signal: controller.signal,
    });
    controller.abort(reason);
    // An error nobody listened to would have ended the process here.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(text(body)).rejects.toBe(reason);
  });

  it("notices a log and an archive that break off", async () => {
    const read = async (): Promise<number> => {
      let bytes = 0;
      for await (const chunk of engine.containers.logs(id)) bytes += chunk.bytes.length;
      return bytes;
    };
    expect(await read()).toBe(8);
    for (const kind of ["truncate", "eof"] as const) {
      proxy.clear();
      always(/\/logs/, { kind, bytes: 10 });
      await expect(read(), kind).rejects.toMatchObject(fails("ERR_ENGINE_TRUNCATED"));
    }
    always(/\/archive/, { kind: "eof", bytes: 1000 });
    const archive = await engine.containers.getArchive(id, "/bin/busybox");
    await expect(text(archive ?? Readable.from([]))).rejects.toMatchObject(
      fails("ERR_ENGINE_TRUNCATED"),
    );
  });

  it("notices an exec that breaks off, and one whose program went on", async () => {
    always(/\/exec\/.*start/, { kind: "eof", bytes: 10 });
    await expect(
      engine.containers.exec(id, { argv: ["sh", "-c", "echo 0123456789"] }),
    ).rejects.toMatchObject(fails("ERR_ENGINE_TRUNCATED"));
    proxy.clear();
    // Cut exactly between two frames: only the program's state tells.
    always(/\/exec\/.*start/, { kind: "truncate", bytes: 8 + 3 });
    await expect(
      engine.containers.exec(id, { argv: ["sh", "-c", "echo up; sleep 20; echo down"] }),
    ).rejects.toMatchObject(fails("ERR_ENGINE_TRUNCATED"));
    proxy.clear();
    always(/\/exec\/.*start/, { kind: "answer", status: 500 });
    await expect(engine.containers.exec(id, { argv: ["true"] })).rejects.toMatchObject(
      fails("ERR_ENGINE_SERVER"),
    );
    proxy.clear();
    always(/\/exec\/.*start/, { kind: "drop-request" });
    await expect(engine.containers.exec(id, { argv: ["true"] })).rejects.toMatchObject(
      fails("ERR_ENGINE_TRUNCATED"),
    );
  });

  it("hears a refusal while it is still uploading", async () => {
    always(/\/archive/, { kind: "answer", status: 409, body: { message: "busy" } });
    let sent = 0;
    const endless = new Readable({
      read(size) {
        sent += size;
        setImmediate(() => this.push(Buffer.alloc(size)));
      },
    });
    await expect(engine.containers.putArchive(id, "/", endless)).rejects.toMatchObject(
      fails("ERR_ENGINE_CONFLICT"),
    );
    expect(endless.destroyed).toBe(true);
    const after = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent).toBe(after);
  });

  it("takes a removal that somebody else began for done once the container is gone", async () => {
    const { id: victim } = await engine.containers.create(
      { Image: image, Labels: labels },
      { name: uniqueName("mol-removing") },
    );
    proxy.add({
      method: "DELETE",
      path: new RegExp(victim),
      fault: { kind: "answer", status: 409, body: { message: "removal is already in progress" } },
    });
    const removing = { State: { Status: "removing" }, Id: victim, Name: "/x" };
    proxy.add({
      path: new RegExp(`${victim}/json`),
      times: 2,
      fault: { kind: "answer", status: 200, body: removing },
    });
    proxy.add({ path: new RegExp(`${victim}/json`), fault: { kind: "answer", status: 404 } });
    expect(await engine.containers.remove(victim, { force: true })).toBe(true);
    proxy.clear();
    // The same 409 of a container that stays is what it says.
    await engine.containers.remove(victim);
    always(new RegExp(`DELETE|${id}$|${id}\\?`), { kind: "answer", status: 409 });
    await expect(engine.containers.remove(id)).rejects.toMatchObject(fails("ERR_ENGINE_CONFLICT"));
  });

  it("either does what it was asked or says that it did not, whatever breaks", async () => {
    const faults: Fault[] = [
      { kind: "drop-request" },
      { kind: "drop-answer" },
      { kind: "truncate", bytes: 50 },
      { kind: "eof", bytes: 50 },
      { kind: "answer", status: 500 },
      { kind: "answer", status: 409 },
      { kind: "delay", ms: 5 },
    ];
    let failures = 0;
    for (const seed of [1, 2, 3]) {
      proxy.chaos({ seed, rate: 0.5, faults });
      for (let round = 0; round < 15; round++) {
        const results = await Promise.allSettled([
          engine.containers.inspect(id).then((found) => expect(found?.id).toBe(id)),
          engine.containers
            .statPath(id, "/bin/sh")
            .then((found) => expect(found?.kind).toBe("symlink")),
          engine.images.inspect(image).then((found) => expect(found?.tags).toContain(image)),
        ]);
        for (const result of results) {
          if (result.status === "fulfilled") continue;
          failures += 1;
          if (!isEngineError(result.reason)) throw result.reason;
          expect(result.reason.code).not.toBe("ERR_ENGINE_NOT_FOUND");
        }
      }
    }
    expect(failures).toBeGreaterThan(0);
  });

  it("ends all calls and closes all connections when disposed", async () => {
    await using own = await startFaultProxy({ socketPath });
    const other = await connect({ DOCKER_HOST: own.dockerHost });
    await Promise.all([1, 2, 3].map(() => other.volumes.list()));
    own.add({ path: /\/images/, fault: { kind: "hang" } });
    const calls = [
      other.images.list(),
      other.containers.wait(id),
      // Ends by itself when its input does: the proxy cannot tell half a close from a whole one.
      other.containers.exec(id, { argv: ["cat"], stdin: new Readable({ read: () => undefined }) }),
      (async () => {
        for await (const chunk of other.containers.logs(id, { follow: true })) void chunk;
      })(),
    ].map((call) => call.catch((error: unknown) => error));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(own.connections).toBeGreaterThan(3);
    await other[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject(fails("ERR_ENGINE_CLOSED"));
    }
    await expect(other.volumes.list()).rejects.toMatchObject(fails("ERR_ENGINE_CLOSED"));
    await expect.poll(() => own.connections).toBe(0);
  });

  it("keeps one connection for calls that follow each other", async () => {
    await using own = await startFaultProxy({ socketPath });
    await using other = await connect({ DOCKER_HOST: own.dockerHost });
    for (let i = 0; i < 10; i++) await other.containers.inspect(id);
    expect(await other.containers.inspect("mol-nobody")).toBeUndefined();
    expect(await other.containers.statPath(id, "/nope")).toBeUndefined();
    await other.containers.list();
    expect(own.connections).toBe(1);
  });
});
