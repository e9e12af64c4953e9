import { findTestEngine, type TestRepository } from "@molecule-ai/testkit";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, lastLine, type CliRun } from "./support/run-cli.js";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

describe.skipIf(engine.skip !== undefined)("trust through a real server", () => {
  let world: World;
  let server: ServerProcess;
  let runtime: string;
  let repository: TestRepository;

  const remote = (args: readonly string[]): Promise<CliRun> =>
    world.cli(args, {
      env: {
        DOCKER_HOST: "unix:///nowhere/docker.sock",
        MOLECULE_URL: server.url,
        MOLECULE_TOKEN_FILE: join(world.directory, "token"),
      },
    });

  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    ({ name: runtime, repository } = await world.createRuntime(AGENT));
    const policy = join(world.directory, "policy.json");
    const rules = { provenance: true, pinnedBases: true };
    await writeFile(
      policy,
      JSON.stringify({ effect: "warn", rules, tiers: { 1: { effect: "refuse" } } }),
    );
    server = await startServerProcess({
      ...world.env,
      MOLECULE_STATE_DIR: join(world.directory, "state"),
      MOLECULE_ADMISSION_POLICY: policy,
    });
    await writeFile(join(world.directory, "token"), `${server.adminToken}\n`);
  }, 120_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  it("up is warned of what the server's policy warns of", async () => {
    const run = await remote(["up", runtime, "--name", "helper", "--json"]);
    expect(run.exitCode, run.stdout).toBe(0);
    expect(lastLine(run)["admission"]).toMatchObject({
      decision: "warned",
      findings: [{ rule: "pinnedBases" }],
    });
    expect(jsonLines(run)).toContainEqual(
      expect.objectContaining({
        type: "warning",
        code: "WARN_WORKSPACE_ADMISSION",
        message: expect.stringContaining("rule pinnedBases"),
        hint: expect.stringMatching(/./),
      }),
    );
  });

  it("why tells who built the image from what, and what was said of it", async () => {
    const why = lastLine(await remote(["why", "helper", "--json"]));
    expect(why).toMatchObject({
      name: "helper",
      status: "online",
      revision: await repository.head(),
      provenance: {
        builder: `urn:molecule:install:${world.installId}`,
        commit: await repository.head(),
        dependencies: [
          { uri: expect.stringMatching(/^git\+http/) },
          {
            uri: "docker://molecule-test/busybox:latest",
            digest: expect.stringMatching(/^sha256:/),
          },
        ],
      },
      verdict: { decision: "warned", passed: ["provenance"], at: expect.stringMatching(/Z$/) },
    });
    const text = (await remote(["why", "helper"])).stdout;
    expect(text).toMatch(/admission +warned\nasked at +\d{4}-/);
    expect(text).toMatch(/rule pinnedBases +warn: /);
  });

  it("inspect says it in one line", async () => {
    expect((await remote(["inspect", "helper"])).stdout).toMatch(
      /origin +built by urn:molecule:install:\S+; commit [0-9a-f]{12}; from molecule-test\/busybox:latest sha256:\S+; warned rule pinnedBases\n/,
    );
    await remote(["rm", "helper"]);
  });

  it("up of what the server refuses ends with exit code 3 and leaves nothing", async () => {
    const run = await remote(["up", runtime, "--name", "refused", "--tier", "1", "--json"]);
    expect(lastLine(run)).toMatchObject({
      code: "ERR_TRUST_REFUSED",
      message: expect.stringContaining("rule pinnedBases"),
      hint: expect.stringContaining("@sha256:"),
    });
    expect(run.exitCode).toBe(3);
    expect((await remote(["ls", "-q"])).stdout).toBe("");
    expect(await world.leftovers()).toEqual([]);
  });

  it("what works on this machine's engine only is refused by name", async () => {
    for (const args of [
      ["rebuild", runtime],
      ["trust", "verify", "a/b@sha256:0"],
    ]) {
      const run = await remote([...args, "--json"]);
      expect([run.exitCode, lastLine(run)["code"]]).toEqual([2, "ERR_CLI_NOT_REMOTE"]);
    }
  });
});
