import { busyboxImage, startFaultProxy, uniqueName, type FaultProxy } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DockerEngine, EngineEvent } from "../src/index.js";
import { connect, label, labels, skip, socketPath } from "./setup.js";

describe.skipIf(skip)("engine events", () => {
  let proxy: FaultProxy;
  let engine: DockerEngine;
  let image: string;

  beforeAll(async () => {
    proxy = await startFaultProxy({ socketPath });
    engine = await connect({ DOCKER_HOST: proxy.dockerHost });
    image = await busyboxImage(socketPath);
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  /** Collects events until `enough`, doing `onEvent` at each. */
  const watch = async (
    enough: (seen: readonly EngineEvent[]) => boolean,
    onEvent: (event: EngineEvent, seen: readonly EngineEvent[]) => void,
  ): Promise<EngineEvent[]> => {
    const controller = new AbortController();
    const seen: EngineEvent[] = [];
    for await (const event of engine.events({ labels: [label] }, { signal: controller.signal })) {
      seen.push(event);
      onEvent(event, seen);
      if (enough(seen)) controller.abort(new Error("done"));
    }
    return seen;
  };

  it("lists first, then tells what happens to our containers, with exit codes", async () => {
    const name = uniqueName("mol-events");
    const seen = await watch(
      (events) => events.some((e) => e.type === "container" && e.action === "die"),
      (event) => {
        if (event.type !== "relisted") return;
        void engine.containers
          .create({ Image: image, Labels: labels, Cmd: ["sh", "-c", "exit 5"] }, { name })
          .then(({ id }) => engine.containers.start(id));
      },
    );
    expect(seen[0]).toMatchObject({ type: "relisted" });
    const told = seen.filter((e) => e.type === "container");
    expect(told.map((e) => e.action)).toEqual(
      expect.arrayContaining(["create", "start", "die"]) as string[],
    );
    const died = told.find((e) => e.action === "die");
    expect(died).toMatchObject({ name, exitCode: 5, labels });
    expect(died?.at).toBeGreaterThan(Date.now() - 60_000);
    expect(told.find((e) => e.action === "start")?.exitCode).toBeUndefined();
  });

  it("reconnects when the connection breaks, and lists again what it may have missed", async () => {
    const name = uniqueName("mol-missed");
    proxy.add({ path: /\/events/, skip: 1, times: 2, fault: { kind: "answer", status: 500 } });
    const seen = await watch(
      (events) => events.filter((e) => e.type === "relisted").length === 2,
      (_event, events) => {
        if (events.length !== 1) return;
        // Happens while nobody is listening.
        proxy.breakConnections();
        void (async () => {
          await using direct = await connect();
          await direct.containers.create({ Image: image, Labels: labels }, { name });
        })();
      },
    );
    proxy.clear();
    const last = seen.at(-1);
    expect(last?.type).toBe("relisted");
    const asked = proxy.requests.filter((r) => r.path.includes("/events"));
    expect(asked.filter((r) => r.fault === "answer")).toHaveLength(2);
    const { containers } = last as Extract<EngineEvent, { type: "relisted" }>;
    expect(containers.map((c) => c.name)).toContain(name);
  });

  it("goes on after a stream that is cut inside a message", async () => {
    proxy.add({ path: /\/events/, times: 1, fault: { kind: "truncate", bytes: 20 } });
    const seen = await watch(
      (events) => events.filter((e) => e.type === "relisted").length === 2,
      (event, events) => {
        if (event.type === "relisted" && events.length === 1) {
          const name = uniqueName("mol-cut");
          void engine.containers.create({ Image: image, Labels: labels }, { name });
        }
      },
    );
    expect(seen.filter((e) => e.type === "relisted")).toHaveLength(2);
  });

  it("ends quietly on abort, also while it waits to reconnect", async () => {
    proxy.add({ path: /\/events/, fault: { kind: "answer", status: 503 } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("done")), 300);
    const seen: EngineEvent[] = [];
    for await (const event of engine.events({}, { signal: controller.signal })) seen.push(event);
    expect(seen).toEqual([]);
    proxy.clear();
  });

  it("ends quietly when aborted before its list has come", async () => {
    proxy.add({ path: /\/containers\/json/, fault: { kind: "delay", ms: 100 } });
    for (const ms of [0, 5, 20, 60]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error("done")), ms);
      for await (const event of engine.events({}, { signal: controller.signal })) {
        expect(event).toBeUndefined();
      }
    }
    proxy.clear();
  });

  it("does not try again what the engine refuses", async () => {
    proxy.add({ path: /\/events/, fault: { kind: "answer", status: 400 } });
    const controller = new AbortController();
    const events = engine.events({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await expect(events.next()).rejects.toMatchObject({ code: "ERR_ENGINE_BAD_REQUEST" });
    proxy.clear();
  });

  it("closes its connection when the reader leaves", async () => {
    await using own = await startFaultProxy({ socketPath });
    await using other = await connect({ DOCKER_HOST: own.dockerHost });
    const { signal } = new AbortController();
    for await (const event of other.events({}, { signal })) {
      expect(event.type).toBe("relisted");
      break;
    }
    // What is left is the kept connection of the list call.
    await expect.poll(() => own.connections).toBe(1);
  });
});
