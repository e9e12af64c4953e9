import type { BuildEvent } from "@molecule-ai/core";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BuilderRequest } from "../src/builders/create-args.js";
import { ensureBuilder } from "../src/builders/ensure-builder.js";
import { removeBuilder } from "../src/builders/remove-builder.js";
import { openReplayedBuildx, type ReplayedBuildx } from "./fixtures/replayed-buildx.js";

// A docker-container builder needs moby/buildkit and a privileged start. Where those are not to be
// had, what buildx 0.13.1 printed is replayed; only its answers are not real here.

const { signal } = new AbortController();
const REQUEST: BuilderRequest & { driver: "docker-container" } = {
  name: "molecule-1",
  driver: "docker-container",
  dockerEndpoint: "unix:///var/run/docker.sock",
  limits: { memoryBytes: 2 * 1024 ** 3, cpus: 1.5 },
};

const ensure = (
  replay: ReplayedBuildx,
  request: BuilderRequest = REQUEST,
  more: Partial<Parameters<typeof ensureBuilder>[0]> = {},
): ReturnType<typeof ensureBuilder> =>
  ensureBuilder({
    buildx: replay.buildx,
    stateDirectory: replay.stateDirectory,
    request,
    signal,
    ...more,
  });

const recordOf = async ({ stateDirectory }: ReplayedBuildx): Promise<unknown> =>
  JSON.parse(await readFile(join(stateDirectory, "builders/molecule-1/builder.json"), "utf8"));

describe("a builder in a container", () => {
  test("is made with its limits, started and remembered, then used again", async () => {
    await using replay = await openReplayedBuildx();
    const made = await ensure(replay);
    expect(made).toMatchObject({ name: "molecule-1", action: "created", complete: true });
    expect(made.nodes[0]).toMatchObject({
      status: "running",
      buildkitVersion: "v0.28.1",
      driverOptions: { memory: "2147483648", "cpu-quota": "150000" },
    });
    expect(await recordOf(replay)).toMatchObject({
      name: "molecule-1",
      action: "created",
      driver: "docker-container",
      endpoint: "unix:///var/run/docker.sock",
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    });
    const again = await ensure(replay);
    expect(again.action).toBe("reused");
    const { createdAt } = (await recordOf(replay)) as { createdAt: string };
    expect(createdAt).toMatch(/^\d{4}-/);
    const calls = await replay.calls();
    expect(calls.map(([command, flag]) => [command, flag])).toEqual([
      ["inspect", "molecule-1"],
      ["version", undefined],
      ["create", "--name"],
      ["inspect", "--bootstrap"],
      ["inspect", "--bootstrap"],
    ]);
    expect(calls.flat()).not.toContain("--use");
    expect(calls.map(([command]) => command)).not.toContain("use");
  });

  test("is made anew with other limits, keeping its cache, and says so", async () => {
    await using replay = await openReplayedBuildx();
    await ensure(replay);
    const events: BuildEvent[] = [];
    const other = await ensure(
      replay,
      { ...REQUEST, limits: { memoryBytes: 1024 ** 3 } },
      { onEvent: (event) => events.push(event) },
    );
    expect(other.action).toBe("recreated");
    expect((await replay.builders())["molecule-1"]?.options).toEqual({
      memory: "1073741824",
      "memory-swap": "1073741824",
    });
    expect(await replay.calls()).toContainEqual(["rm", "--keep-state", "molecule-1"]);
    expect(events).toEqual([
      {
        type: "warning",
        code: "WARN_BUILDER_RECREATED",
        message: "The builder molecule-1 is made anew: its settings have changed.",
      },
    ]);
  });

  test("gets rules of garbage collection, and other rules make it anew", async () => {
    await using replay = await openReplayedBuildx();
    const rules = (maxUsed: number): BuilderRequest => ({
      ...REQUEST,
      config: { gc: [{ all: true, maxUsed }], registries: { "docker.io": { mirrors: ["m"] } } },
    });
    await ensure(replay, rules(1e9));
    expect((await replay.builders())["molecule-1"]?.config).toContain("maxUsedSpace = 1000000000");
    expect((await ensure(replay, rules(1e9))).action).toBe("reused");
    expect((await ensure(replay, rules(2e9))).action).toBe("recreated");
    const { config } = (await replay.builders())["molecule-1"] ?? {};
    expect(config).toContain("maxUsedSpace = 2000000000");
    expect(config).toContain('mirrors = [ "m" ]');
  });

  test("of an older BuildKit gets the one limit that it knows", async () => {
    await using replay = await openReplayedBuildx();
    await ensure(replay, {
      ...REQUEST,
      image: "registry.example.com:5000/moby/buildkit:v0.12.5",
      config: { gc: [{ all: true, maxUsed: 1e9 }] },
    });
    expect((await replay.builders())["molecule-1"]?.config).toContain("keepBytes = 1000000000");
  });

  test("that somebody made by hand like this is used; one of another kind is replaced", async () => {
    await using replay = await openReplayedBuildx();
    const { limits: _, ...plain } = REQUEST;
    await replay.put({
      "molecule-1": {
        driver: "docker-container",
        endpoint: "unix:///var/run/docker.sock",
        options: {},
      },
    });
    expect((await ensure(replay, plain)).action).toBe("reused");
    expect(await recordOf(replay)).toMatchObject({ createdAt: null, settings: null });
    expect((await ensure(replay, plain)).action).toBe("reused");
    await replay.put({ "molecule-1": { driver: "remote", endpoint: "tcp://h:1", options: {} } });
    expect((await ensure(replay, plain)).action).toBe("recreated");
    expect(await replay.calls()).toContainEqual(["rm", "molecule-1"]);
  });

  test("of which the record is damaged is judged by what buildx says", async () => {
    await using replay = await openReplayedBuildx();
    await ensure(replay);
    await writeFile(join(replay.stateDirectory, "builders/molecule-1/builder.json"), "{");
    expect((await ensure(replay)).action).toBe("reused");
  });

  test("that does not start is removed again, with the reason and what to do", async () => {
    await using replay = await openReplayedBuildx();
    await replay.spoil("bootstrap-fails");
    await expect(ensure(replay)).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("no such host") as string,
      hint: expect.stringContaining("moby/buildkit") as string,
    });
    expect(await replay.builders()).toEqual({});
  });

  test("that ran and starts no more is made anew once", async () => {
    await using replay = await openReplayedBuildx();
    await ensure(replay);
    await replay.spoil("bootstrap-fails");
    await expect(ensure(replay)).rejects.toMatchObject({ code: "ERR_BUILDER" });
    await replay.mend();
    expect((await ensure(replay)).action).toBe("created");
  });

  test("that hangs ends at the deadline and leaves neither builder nor process", async () => {
    await using replay = await openReplayedBuildx();
    await replay.spoil("bootstrap-hangs");
    await expect(ensure(replay, REQUEST, { bootstrapTimeoutMs: 1500 })).rejects.toMatchObject({
      code: "ERR_DEADLINE",
    });
    expect(await replay.builders()).toEqual({});
    await expect(runningReplays(replay)).resolves.toEqual([]);
  });

  test("that is aborted while it starts is removed again", async () => {
    await using replay = await openReplayedBuildx();
    await replay.spoil("bootstrap-hangs");
    const controller = new AbortController();
    const reason = new Error("enough");
    const ensuring = ensure(replay, REQUEST, { signal: controller.signal });
    await expect
      .poll(async () => (await replay.calls()).some((call) => call.includes("--bootstrap")))
      .toBe(true);
    controller.abort(reason);
    await expect(ensuring).rejects.toBe(reason);
    expect(await replay.builders()).toEqual({});
    await expect(runningReplays(replay)).resolves.toEqual([]);
  });

  test("is made once by many at the same moment", async () => {
    await using replay = await openReplayedBuildx();
    const made = await Promise.all(Array.from({ length: 5 }, () => ensure(replay)));
    expect(made.map(({ action }) => action).sort()).toEqual([
      "created",
      "reused",
      "reused",
      "reused",
      "reused",
    ]);
    const creates = (await replay.calls()).filter(([command]) => command === "create");
    expect(creates).toHaveLength(1);
  });

  test("is not spoken to in plain text on another machine", async () => {
    await using replay = await openReplayedBuildx();
    const request = { ...REQUEST, dockerEndpoint: "tcp://d.example:2375" };
    await expect(ensure(replay, request)).rejects.toMatchObject({ code: "ERR_BUILDER" });
    expect(await replay.calls()).toEqual([]);
    expect((await ensure(replay, { ...request, insecure: true })).action).toBe("created");
  });

  test("has a name that can be an argument", async () => {
    await using replay = await openReplayedBuildx();
    await expect(ensure(replay, { ...REQUEST, name: "--all" })).rejects.toMatchObject({
      code: "ERR_BUILDER",
    });
    await expect(ensure(replay, { ...REQUEST, name: "../x" })).rejects.toMatchObject({
      code: "ERR_BUILDER",
    });
  });

  test.each(["--use", "-x", "", "two words"])("has no endpoint like %j", async (dockerEndpoint) => {
    await using replay = await openReplayedBuildx();
    await expect(ensure(replay, { ...REQUEST, dockerEndpoint })).rejects.toMatchObject({
      code: "ERR_BUILDER",
    });
    expect(await replay.calls()).toEqual([]);
  });

  test("goes with its record; one that is not there is no error", async () => {
    await using replay = await openReplayedBuildx();
    const { buildx, stateDirectory } = replay;
    await ensure(replay);
    const options = { buildx, stateDirectory, name: "molecule-1", signal };
    expect(await removeBuilder(options)).toBe(true);
    expect(await removeBuilder(options)).toBe(false);
    expect(await readdir(join(stateDirectory, "builders"))).toEqual([]);
  });

  test("keeps its state for its owner alone", async () => {
    await using replay = await openReplayedBuildx();
    await ensure(replay);
    const directory = join(replay.stateDirectory, "builders/molecule-1");
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, "builder.json"))).mode & 0o777).toBe(0o600);
  });
});

/** Processes of this replay that still run. */
async function runningReplays({ buildx }: ReplayedBuildx): Promise<readonly string[]> {
  const home = buildx.settings.env["HOME"] ?? "";
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const env = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (env.includes(`HOME=${home}\0`)) found.push(pid);
  }
  return found;
}
