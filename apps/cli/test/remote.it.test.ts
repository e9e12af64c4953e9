import { findTestEngine, type TestRepository } from "@molecule-ai/testkit";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, lastLine, type CliOptions, type CliRun } from "./support/run-cli.js";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

const AGENT_DOCKERFILE = typeof AGENT["Dockerfile"] === "string" ? AGENT["Dockerfile"] : "";

/** Stages in the order in which they ended, each once. */
function finishedStages(run: CliRun): string[] {
  return jsonLines(run)
    .filter(({ type }) => type === "stage.finished")
    .map((line) => String(line["stage"]));
}

describe.skipIf(engine.skip !== undefined)("through a real server", () => {
  let world: World;
  let server: ServerProcess;
  let runtime: string;
  let repository: TestRepository;
  let head: string;
  let id: string;
  let url: string;

  /** The program with no engine of its own, so that nothing can be done but through the server. */
  const remote = (args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliRun> =>
    world.cli(args, {
      ...options,
      env: {
        DOCKER_HOST: "unix:///nowhere/docker.sock",
        MOLECULE_URL: server.url,
        MOLECULE_TOKEN_FILE: join(world.directory, "token"),
        ...options.env,
      },
    });
  const json = async ([command = "", ...rest]: readonly string[], options?: Partial<CliOptions>) =>
    lastLine(await remote([command, "--json", ...rest], options));

  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    ({ name: runtime, repository } = await world.createRuntime(AGENT));
    head = await repository.head();
    server = await startServerProcess({
      ...world.env,
      MOLECULE_STATE_DIR: join(world.directory, "state"),
    });
    await writeFile(join(world.directory, "token"), `${server.adminToken}\n`);
  }, 120_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  it("login takes the administrator's token, and only a valid one", async () => {
    const env = { MOLECULE_TOKEN_FILE: "" };
    const done = await remote(["login"], { env, stdin: server.adminToken });
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await remote(["ls"], { env })).stdout).toMatch(/^No workspaces/);
    expect(
      lastLine(await remote(["login", "--json"], { env, stdin: "wrong-0123456789" })),
    ).toMatchObject({
      code: "ERR_UNAUTHENTICATED",
    });
    expect((await remote(["logout"], { env })).stdout).toMatch(/^Forgot/);
  });

  it("doctor finds the server well", async () => {
    const { checks } = (await json(["doctor"])) as unknown as {
      checks: readonly { name: string; status: string }[];
    };
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "server ok",
      "ready ok",
      "token ok",
    ]);
  });

  it("up shows the stages and the build as it does here, and the agent answers", async () => {
    const secretFile = join(world.directory, "key");
    await writeFile(secretFile, "hunter2-from-file\n");
    const run = await remote([
      "up",
      runtime,
      "--json",
      "--name",
      "helper",
      "--secret",
      `API_KEY=@${secretFile}`,
    ]);
    expect(run.exitCode, run.stdout).toBe(0);
    expect(run.stderr).toBe("");
    const stages = finishedStages(run);
    expect(stages).toEqual([...new Set(stages)]);
    expect(stages).toEqual(
      expect.arrayContaining(["head", "checkout", "build", "create", "seed", "start", "ready"]),
    );
    const lines = jsonLines(run);
    expect(lines.some(({ type }) => type === "build.vertex")).toBe(true);
    const last = lines.at(-1);
    expect(last).toMatchObject({
      type: "result",
      command: "up",
      name: "helper",
      tier: 2,
      ready: true,
      image: { outcome: "built", revision: head },
    });
    expect(last?.["timings"]).toHaveLength(stages.length);
    expect(run.stdout).not.toContain("hunter2");
    id = String(last?.["id"]);
    url = String(last?.["url"]);
    expect(await (await fetch(url)).text()).toBe("hello\n");
  });

  it("ls, inspect and images show it with the same columns and members", async () => {
    expect((await json(["ls"]))["workspaces"]).toEqual([
      expect.objectContaining({ id, name: "helper", runtime, tier: 2, status: "online", url }),
    ]);
    const text = await remote(["ls"]);
    expect(text.stdout.split("\n")[0]).toMatch(/^ID +NAME +RUNTIME +TIER +STATUS +AGE +URL$/);
    expect(text.stdout).toContain(`${id.slice(0, 12)}  helper`);
    for (const query of ["helper", id.slice(0, 4), id]) {
      expect(await json(["inspect", query])).toMatchObject({
        workspace: { id, status: "online", revision: head },
      });
    }
    expect((await remote(["inspect", "helper"])).stdout).toContain(url);
    expect((await json(["images"]))["images"]).toEqual([
      expect.objectContaining({ runtime, revision: head, usedBy: [id] }),
    ]);
    expect(await json(["inspect", "nobody"])).toMatchObject({
      code: "ERR_CLI_WORKSPACE_NOT_FOUND",
      exitCode: 4,
    });
  });

  it("logs prints what the agent printed, and -f goes on until Ctrl-C", async () => {
    expect((await remote(["logs", "helper"])).stdout).toBe("agent is up\n");
    expect((await remote(["logs", "-n", "0", "helper"])).stdout).toBe("");
    expect((await remote(["logs", "-t", "helper"])).stdout).toMatch(/^\d{4}-\S+Z agent is up\n$/);
    const followed = await remote(["logs", "-f", "helper"], {
      onOutput: (_, child) => void child.kill("SIGINT"),
    });
    expect(followed).toMatchObject({ exitCode: 130, stdout: "agent is up\n" });
  });

  it("restart swaps it, and --upgrade brings the newest commit", async () => {
    const again = await json(["restart", "helper"]);
    expect(again).toMatchObject({ type: "result", id, ready: true });
    head = await repository.commit({ "extra.txt": "new" });
    const upgraded = await json(["restart", "--upgrade", "helper"]);
    expect(upgraded).toMatchObject({ ready: true, image: { revision: head } });
    url = String(upgraded["url"]);
    expect(await (await fetch(url)).text()).toBe("hello\n");
  });

  it("stop stops it, and restart brings it back", async () => {
    expect(await json(["stop", "helper"])).toMatchObject({ stopped: [{ id, name: "helper" }] });
    expect((await json(["ls"]))["workspaces"]).toEqual([
      expect.objectContaining({ id, status: "paused" }),
    ]);
    await expect(fetch(url)).rejects.toThrow();
    expect(await json(["stop", "helper"])).toMatchObject({ stopped: [{ id }] });
    expect(await json(["restart", "helper"])).toMatchObject({ id, ready: true });
  });

  it("up goes on showing its stages through a crash of the server", async () => {
    const { name } = await world.createRuntime({
      ...AGENT,
      Dockerfile: AGENT_DOCKERFILE.replace("RUN ", "RUN sleep 3\nRUN "),
    });
    let crash: Promise<void> | undefined;
    const run = await remote(["up", name, "--json", "--name", "survivor"], {
      onLine: (line) => {
        if (line.type !== "stage.started" || line["stage"] !== "build") return;
        crash ??= server.kill().then(() => server.restart());
      },
    });
    await crash;
    expect(run.exitCode, run.stdout).toBe(0);
    expect(lastLine(run)).toMatchObject({ ready: true, name: "survivor" });
    expect(await json(["rm", "survivor"])).toMatchObject({ removed: [{ name: "survivor" }] });
  });

  it("a build that fails is told with its last lines, and leaves no workspace", async () => {
    const { name } = await world.createRuntime({
      ...AGENT,
      Dockerfile: "FROM molecule-test/busybox:latest\nRUN echo no way out; false\n",
    });
    const run = await remote(["up", name, "--json"]);
    expect(run.exitCode, run.stdout).toBe(1);
    expect(lastLine(run)).toMatchObject({
      type: "error",
      code: "ERR_LOCAL_BUILD_FAILED",
      undone: [expect.stringContaining("workspace")],
    });
    expect(JSON.stringify(lastLine(run))).toContain("no way out");
    expect((await json(["ls"]))["workspaces"]).toHaveLength(1);
  });

  it("a tier above the server's is refused with its words", async () => {
    const refused = await json(["up", runtime, "--tier", "3", "--allow-privileged"]);
    expect(refused).toMatchObject({ code: "ERR_TIER_NOT_ALLOWED", exitCode: 3 });
    expect((await json(["ls"]))["workspaces"]).toHaveLength(1);
  });

  it.each(["build", "ready"])(
    "Ctrl-C in stage %s ends with 130 and leaves nothing",
    async (stage) => {
      const { name } = await world.createRuntime({
        Dockerfile: [
          "FROM molecule-test/busybox:latest",
          `RUN sleep ${stage === "build" ? 500 : 0}`,
          'ENTRYPOINT ["sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"]',
          "",
        ].join("\n"),
        "config.yaml": "name: patient\n",
      });
      const before = await world.leftovers();
      let struck = false;
      const run = await remote(["up", name, "--json"], {
        onLine: (line, child) => {
          if (struck || line.type !== "stage.started" || line["stage"] !== stage) return;
          struck = true;
          child.kill("SIGINT");
        },
      });
      expect(run.exitCode, run.stdout).toBe(130);
      expect(lastLine(run)).toMatchObject({
        code: "ERR_CLI_INTERRUPTED",
        undone: [expect.stringContaining("workspace")],
      });
      expect((await json(["ls"]))["workspaces"]).toHaveLength(1);
      expect(await world.leftovers()).toEqual(before);
    },
  );

  it("--no-wait returns once the process runs", async () => {
    const { name } = await world.createRuntime({
      Dockerfile:
        'FROM molecule-test/busybox:latest\nENTRYPOINT ["sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"]\n',
      "config.yaml": "name: silent\n",
    });
    const up = await json(["up", name, "--no-wait", "--name", "silent"]);
    expect(up).toMatchObject({ type: "result", ready: false });
    expect(await json(["rm", "silent"])).toMatchObject({ removed: [{ name: "silent" }] });
  });

  it("rm refuses one that has others below it, unless those are named too", async () => {
    const create = async (body: object): Promise<string> => {
      const answer = await fetch(`${server.url}/workspaces`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${server.adminToken}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ runtime: "external", ...body }),
      });
      return ((await answer.json()) as { id: string }).id;
    };
    const parent = await create({ name: "parent" });
    const child = await create({ name: "child", parent_id: parent });
    expect(await json(["rm", "parent"])).toMatchObject({
      code: "ERR_CLI_WORKSPACE_HAS_CHILDREN",
      exitCode: 3,
      details: { children: [{ id: child, name: "child" }] },
    });
    expect(await json(["rm", "parent", "child"])).toMatchObject({
      removed: [{ name: "child" }, { name: "parent" }],
    });
  });

  it("sweep looks for leftovers on the server's engine", async () => {
    expect(await json(["sweep", "--dry-run"])).toMatchObject({ dryRun: true, failed: [] });
  });

  it("rm leaves nothing of it", async () => {
    expect(await json(["rm", "helper"])).toMatchObject({ removed: [{ id, name: "helper" }] });
    expect((await json(["ls"]))["workspaces"]).toEqual([]);
    expect((await world.leftovers()).filter((name) => name.startsWith("container"))).toEqual([]);
    expect(await json(["rm", "helper"])).toMatchObject({ code: "ERR_CLI_WORKSPACE_NOT_FOUND" });
  });
});
