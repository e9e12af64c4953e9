import { findTestEngine, startFakeRegistry } from "@molecule-ai/testkit";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastLine, type JsonLine } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

function statuses(last: JsonLine): Record<string, string> {
  const checks = last["checks"] as readonly { name: string; status: string; remedy?: string }[];
  for (const { status, remedy } of checks) {
    if (status === "failed") expect(remedy).toEqual(expect.any(String));
  }
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
}

describe.skipIf(engine.skip !== undefined)("this machine", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it("doctor finds all well", async () => {
    const { exitCode, last } = await world.json(["doctor"]);
    expect(exitCode).toBe(0);
    expect(statuses(last)).toMatchObject({
      engine: "ok",
      network: "ok",
      tiers: "ok",
      gitea: "ok",
      clock: "ok",
      registry: "skipped",
      "install id": "ok",
    });
    expect(await world.leftovers()).toEqual([]);
  });

  it("doctor says what is wrong, goes on with the rest, and exits with 1", async () => {
    const { exitCode, last } = await world.json(["doctor"], {
      env: {
        DOCKER_HOST: "unix:///nowhere/docker.sock",
        MOLECULE_GITEA_TOKEN: "hunter2hunter2",
        MOLECULE_GIT_PATH: "/nowhere/git",
      },
    });
    expect(exitCode).toBe(1);
    expect(statuses(last)).toMatchObject({
      engine: "failed",
      disk: "skipped",
      gitea: "failed",
      git: "warning",
    });
    expect(JSON.stringify(last)).not.toContain("hunter2");
    const missing = await world.json(["doctor"], { env: { TIER2_RUNTIME: "no-such-runtime" } });
    expect(statuses(missing.last)).toMatchObject({ engine: "ok", tiers: "failed" });
    expect((await world.cli(["doctor"], { env: { TIER2_RUNTIME: "nope" } })).stdout).toMatch(
      /^failed +tiers/m,
    );
  });

  it.each([
    ["none", 0, "ok"],
    ["unauthorized", 1, "failed"],
    ["not-found", 1, "failed"],
  ] as const)("doctor asks the registry, which answers %s", async (fault, exitCode, status) => {
    await using registry = await startFakeRegistry({ fault });
    const run = await world.json(["doctor"], {
      env: { MOLECULE_IMAGE_REGISTRY: `${registry.host}/org` },
    });
    expect(statuses(run.last)).toMatchObject({ registry: status, gitea: "skipped" });
    expect(run.exitCode).toBe(exitCode);
  });

  it("gc spares what was made just now, and --dry-run removes nothing", async () => {
    const { name, repository } = await world.createRuntime(AGENT);
    await world.json(["build", name]);
    await repository.commit({
      marker: "two\n",
      Dockerfile: "FROM molecule-test/busybox:latest\nRUN true\n",
    });
    await world.json(["build", name]);
    expect(await world.images()).toHaveLength(2);
    const dry = await world.json(["gc", "--dry-run", "--keep", "1", "--max-age", "1ms"]);
    expect(dry.exitCode).toBe(0);
    expect(await world.images()).toHaveLength(2);
    expect(dry.last).toMatchObject({ dryRun: true });
    const real = await world.json(["gc"]);
    expect(real.exitCode).toBe(0);
    expect(await world.images()).toHaveLength(2);
    expect((await world.cli(["gc"])).stdout).toMatch(/0 B freed, .* kept\n$/);
  });

  it("build a second time finds the image, also offline", async () => {
    const { name } = await world.createRuntime(AGENT);
    expect((await world.json(["build", name])).last).toMatchObject({ image: { outcome: "built" } });
    const before = world.gitea.requests.length;
    const again = await world.json(["build", name, "--offline"]);
    expect(again.last).toMatchObject({ image: { outcome: "present" } });
    expect(world.gitea.requests).toHaveLength(before);
  });

  it("tiers and help need no engine", async () => {
    const env = { DOCKER_HOST: "unix:///nowhere/docker.sock" };
    const { last } = await world.json(["tiers"], { env });
    expect((last["tiers"] as unknown[]).length).toBe(4);
    expect((await world.cli(["tiers", "3"], { env })).stdout).toContain("Tier 3, privileged");
    expect((await world.cli(["--help"], { env })).exitCode).toBe(0);
    expect((await world.cli(["up", "--help"], { env })).stdout).toContain(
      "--secret <NAME[=@path]>",
    );
    expect(await world.cli([], { env })).toMatchObject({ exitCode: 2, stdout: "" });
    expect((await world.cli(["__complete", "workspaces"], { env })).exitCode).toBe(0);
  });

  it("a reader that goes away ends logs -f", async () => {
    const { name } = await world.createRuntime({
      ...AGENT,
      Dockerfile: [
        "FROM molecule-test/busybox:latest",
        `ENTRYPOINT ["sh", "-c", "httpd -p 8000 -h /; while true; do echo tick; sleep 0.05; done"]`,
        "",
      ].join("\n"),
    });
    const { last } = await world.json(["up", name]);
    const run = await world.cli(["logs", "-f", String(last["id"])], {
      onOutput: (_text, child) => child.stdout?.destroy(),
    });
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toBe("");
    await world.cli(["rm", String(last["id"])]);
  });

  it("starts from its sources, as `start` does", async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        "--conditions=@molecule-ai/source",
        "--import",
        import.meta.resolve("tsx"),
        "--",
        join(import.meta.dirname, "../src/bin.ts"),
        "ls",
        "--json",
      ],
      { env: world.env },
    );
    expect(lastLine({ exitCode: 0, stdout, stderr: "" })).toMatchObject({ command: "ls" });
  });
});
