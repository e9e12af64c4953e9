import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@molecule-ai/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHostLocks, type HostLocks } from "../src/internal/host-lock.js";
import { openRoom } from "./fixtures/room.js";
import { spawnScript } from "./fixtures/run-script.js";

let directory: string;
let locks: HostLocks;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "locks-"));
  locks = createHostLocks({ directory, staleMs: 2000, clock: systemClock });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const forever = new AbortController().signal;

describe("a host lock", () => {
  test("has one holder at a time; the next gets it when it is given back", async () => {
    const order: string[] = [];
    const use = async (name: string): Promise<void> => {
      await using _lock = await locks.acquire("x", { signal: forever });
      order.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 30));
      order.push(`${name} out`);
    };
    await Promise.all([use("a"), use("b"), use("c")]);
    for (let index = 0; index < order.length; index += 2) {
      expect(order[index + 1]).toBe(order[index]?.replace("in", "out"));
    }
    expect(await readdir(directory)).toEqual([]);
  });

  test("of another name is free, and a held one is not to be had", async () => {
    await using _held = await locks.acquire("x", { signal: forever });
    await using other = await locks.tryAcquire("y");
    expect(other).toBeDefined();
    expect(await locks.tryAcquire("x")).toBeUndefined();
    expect([await locks.isHeld("x"), await locks.isHeld("z")]).toEqual([true, false]);
  });

  test("can be waited for no longer: the abort's reason comes through, nothing is held", async () => {
    await using _held = await locks.acquire("x", { signal: forever });
    const controller = new AbortController();
    const reason = new Error("enough");
    let busy = 0;
    const waiting = locks.acquire("x", {
      signal: controller.signal,
      onBusy: () => {
        busy += 1;
        controller.abort(reason);
      },
    });
    await expect(waiting).rejects.toBe(reason);
    expect(busy).toBe(1);
  });

  test("that was taken over does not fail the one who lost it", async () => {
    const held = await locks.acquire("x", { signal: forever });
    await rm(join(directory, "x.lock"), { recursive: true });
    await held[Symbol.asyncDispose]();
    await held[Symbol.asyncDispose]();
  });
});

describe("a build and another process", () => {
  test("wait for each other, saying so once, and a killed holder's lock is taken over", async () => {
    await using room = await openRoom();
    const child = spawnScript(import.meta.resolve("./fixtures/hold-lock.ts"), [
      join(room.cacheDirectory, ".locks"),
      "langgraph",
      "2000",
    ]);
    await once(child.stdout ?? child, "data");
    const ensured = room.source().ensure("langgraph", {
      onEvent: (event) => {
        room.onEvent(event);
        if (event.type === "joined") child.kill("SIGKILL");
      },
    });
    expect((await ensured).outcome).toBe("built");
    expect(room.events.filter((event) => event.type === "joined")).toEqual([
      { type: "joined", subject: "langgraph", scope: "host" },
    ]);
    expect(child.signalCode).toBe("SIGKILL");
  });

  test("an abort ends the wait, and nothing was done", async () => {
    await using room = await openRoom();
    const lockDirectory = join(room.cacheDirectory, ".locks");
    const held = createHostLocks({ directory: lockDirectory, staleMs: 2000, clock: systemClock });
    await using _lock = await held.acquire("langgraph", { signal: forever });
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = room.source().ensure("langgraph", {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "joined") controller.abort(reason);
      },
    });
    await expect(waiting).rejects.toBe(reason);
    expect(await room.cached()).toEqual([]);
    expect(room.engine.calls.filter((call) => call.startsWith("build"))).toEqual([]);
  });

  test("what a crashed holder left behind is removed by the next one", async () => {
    await using room = await openRoom();
    const crashed = join(room.cacheDirectory, "langgraph/.new-crashed/files");
    await mkdir(crashed, { recursive: true });
    await writeFile(join(crashed, "Dockerfile"), "half");
    await room.source().ensure("langgraph");
    expect((await room.cached()).filter((path) => path.includes(".new-"))).toEqual([]);
  });

  test("two sources of one process build once", async () => {
    await using room = await openRoom();
    const [a, b] = await Promise.all(
      [room.source(), room.source()].map((source) => source.ensure("langgraph")),
    );
    expect(a?.imageId).toBe(b?.imageId);
    expect(new Set([a?.outcome, b?.outcome])).toEqual(new Set(["built", "present"]));
    expect(room.engine.calls.filter((call) => call.startsWith("build"))).toHaveLength(1);
  });

  test("two callers of one source share one build, one result and its events", async () => {
    await using room = await openRoom();
    const source = room.source();
    const joined: string[] = [];
    const [a, b] = await Promise.all([
      source.ensure("langgraph"),
      source.ensure("langgraph", { onEvent: (event) => joined.push(event.type) }),
    ]);
    expect(b).toBe(a);
    expect(joined[0]).toBe("joined");
    expect(joined).toContain("stage.finished");
    expect(room.gitea.requests.filter(({ part }) => part === "api")).toHaveLength(1);
  });

  test("an abort in the middle of a build leaves neither checkout nor lock", async () => {
    await using room = await openRoom();
    const controller = new AbortController();
    const reason = new Error("enough");
    const builder = room.engine.builder(() => {
      controller.abort(reason);
    });
    const source = room.source({ builder });
    await expect(source.ensure("langgraph", { signal: controller.signal })).rejects.toBe(reason);
    expect(await room.cached()).toEqual(["langgraph"]);
    expect(await readdir(join(room.cacheDirectory, ".locks"))).toEqual([]);
    expect(room.engine.stored).toEqual([]);
  });

  test("disposing the source stops what runs", async () => {
    await using room = await openRoom();
    room.gitea.setFault({ kind: "stall", on: "git" });
    const source = room.source();
    let begun: () => void = () => {};
    const checkout = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const outcome = source
      .ensure("langgraph", {
        onEvent: (event) => {
          if (event.type === "stage.started" && event.stage === "checkout") begun();
        },
      })
      .catch((error: unknown) => error);
    await checkout;
    await source[Symbol.asyncDispose]();
    expect(await outcome).toMatchObject({ name: "AbortError" });
    expect(await room.cached()).toEqual(["langgraph"]);
  });
});
