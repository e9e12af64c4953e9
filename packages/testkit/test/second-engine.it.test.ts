import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  buildScratchImage,
  busyboxImage,
  callEngine,
  callEngineJson,
  findSecondEngine,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startSecondEngine,
  startTestRegistry,
  uniqueName,
} from "../src/index.js";

const first = await findTestEngine();
const second = await findSecondEngine();
const registry = await findTestRegistry();

async function bridgeOf(socketPath: string): Promise<string> {
  const network = await callEngineJson<{ Options: Record<string, string> }>(socketPath, {
    method: "GET",
    path: "/networks/bridge",
  });
  return network.Options["com.docker.network.bridge.name"] ?? "";
}

const inspect = (socketPath: string, image: string): Promise<{ Id: string }> =>
  callEngineJson(socketPath, { method: "GET", path: `/images/${image}/json` });

async function runContainer(socketPath: string, script: string): Promise<string> {
  const { Id } = await callEngineJson<{ Id: string }>(socketPath, {
    method: "POST",
    path: "/containers/create",
    body: { Image: await busyboxImage(socketPath), Cmd: ["sh", "-c", script] },
  });
  await callEngineJson(socketPath, { method: "POST", path: `/containers/${Id}/start` });
  return Id;
}

describe.skipIf(first.skip !== undefined || second.skip !== undefined)("a second engine", () => {
  it.skipIf(registry.skip !== undefined)(
    "pulls what the first has pushed, and shares nothing else with it",
    async () => {
      const socketPath = first.socketPath ?? "";
      await using engine = await startSecondEngine();
      await using server = await startTestRegistry();
      const ref = `${server.host}/${uniqueName("two")}:1`;
      const source = await busyboxImage(socketPath);
      await pushImage(socketPath, source, ref);
      const images = { method: "GET", path: "/images/json" };
      expect(await callEngineJson(engine.socketPath, images)).toEqual([]);
      const query = `fromImage=${ref.slice(0, -2)}&tag=1`;
      const path = `/images/create?${query}`;
      const pulled = await callEngine(engine.socketPath, { method: "POST", path });
      expect(pulled.body.toString()).not.toContain("errorDetail");
      expect((await inspect(engine.socketPath, ref)).Id).toBe(
        (await inspect(socketPath, source)).Id,
      );
    },
  );

  it("runs what it builds", async () => {
    await using engine = await startSecondEngine();
    const id = await runContainer(engine.socketPath, "exit 7");
    const path = `/containers/${id}/wait`;
    expect(await callEngineJson(engine.socketPath, { method: "POST", path })).toMatchObject({
      StatusCode: 7,
    });
  });

  it.each(["disposed", "killed"])("leaves nothing once it is %s", async (how) => {
    const engine = await startSecondEngine({ sizeMb: 64 });
    const root = dirname(engine.socketPath);
    await runContainer(engine.socketPath, "sleep 1000");
    const name = await bridgeOf(engine.socketPath);
    if (how === "killed") await engine.kill();
    await engine[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    expect(existsSync(root)).toBe(false);
    expect(await readFile("/proc/self/mounts", "utf8")).not.toContain(root);
    for (const place of ["/sys/class/net", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"]) {
      expect(existsSync(join(place, name))).toBe(false);
    }
    await expect(
      callEngine(engine.socketPath, { method: "GET", path: "/_ping" }),
    ).rejects.toThrow();
  });

  it("has a disk that is full when it is told its size", async () => {
    await using engine = await startSecondEngine({ sizeMb: 16 });
    const files = { "/big": { content: Buffer.alloc(24 * 1024 * 1024, 1) } };
    const build = buildScratchImage({ socketPath: engine.socketPath, ref: "full:1", files });
    await expect(build).rejects.toThrow(/no space left on device/);
  });
});
