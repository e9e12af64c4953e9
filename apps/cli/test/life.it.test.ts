import { findTestEngine, type TestRepository } from "@molecule-ai/testkit";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

describe.skipIf(engine.skip !== undefined)("the life of a workspace", () => {
  let world: World;
  let runtime: string;
  let repository: TestRepository;
  let id: string;
  let url: string;

  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    const created = await world.createRuntime(AGENT);
    runtime = created.name;
    repository = created.repository;
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it("plan says what up would do and touches nothing", async () => {
    const { exitCode, last } = await world.json(["plan", runtime, "--name", "helper"]);
    expect(exitCode).toBe(0);
    expect(last).toMatchObject({
      type: "result",
      command: "plan",
      plan: { runtime, name: "helper", tier: 2 },
    });
    expect(world.gitea.requests).toHaveLength(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("up builds the template's head, starts it and waits until it answers", async () => {
    const secretFile = join(world.directory, "key");
    await writeFile(secretFile, "hunter2-from-file\n");
    const run = await world.cli(
      [
        "up",
        runtime,
        "--json",
        "--name",
        "helper",
        "--env",
        "COLOUR=green",
        "--secret",
        "API_KEY",
        "--secret",
        `OTHER_KEY=@${secretFile}`,
      ],
      { env: { API_KEY: "hunter2-from-env" } },
    );
    expect(run.stderr).toBe("");
    expect(run.exitCode).toBe(0);
    const lines = jsonLines(run);
    const stages = lines
      .filter(({ type }) => type === "stage.finished")
      .map((line) => line["stage"]);
    expect(stages).toEqual(
      expect.arrayContaining(["head", "checkout", "build", "create", "seed", "start", "ready"]),
    );
    expect(lines.some(({ type }) => type === "build.vertex")).toBe(true);
    const last = lines.at(-1);
    expect(last).toMatchObject({
      type: "result",
      command: "up",
      name: "helper",
      tier: 2,
      ready: true,
    });
    expect(run.stdout).not.toContain("hunter2");
    id = String(last?.["id"]);
    url = String(last?.["url"]);
    expect(await (await fetch(url)).text()).toBe("hello\n");
  });

  it("ls lists it, for people, machines and scripts", async () => {
    const { last } = await world.json(["ls"]);
    expect(last["workspaces"]).toEqual([
      expect.objectContaining({ id, name: "helper", runtime, tier: 2, status: "running", url }),
    ]);
    const text = await world.cli(["ls"]);
    expect(text.stdout.split("\n")[0]).toMatch(/^ID +NAME +RUNTIME +TIER +STATUS +AGE +URL$/);
    expect(text.stdout).toContain(`${id.slice(0, 12)}  helper`);
    expect((await world.cli(["ls", "-q"])).stdout).toBe(`${id}\n`);
  });

  it("inspect shows it by name, by prefix and by id, without a secret", async () => {
    for (const query of ["helper", id.slice(0, 4), id]) {
      const { exitCode, last, run } = await world.json(["inspect", query]);
      expect(exitCode).toBe(0);
      expect(last).toMatchObject({ workspace: { id, status: "running" } });
      expect(run.stdout).not.toContain("hunter2");
    }
    expect((await world.cli(["inspect", "helper"])).stdout).toContain(url);
  });

  it("logs prints what the agent printed", async () => {
    expect((await world.cli(["logs", "helper"])).stdout).toBe("agent is up\n");
    const { run } = await world.json(["logs", "helper"]);
    expect(jsonLines(run)[0]).toEqual({ type: "output", stream: "stdout", text: "agent is up" });
    expect((await world.cli(["logs", "--tail", "0", "helper"])).stdout).toBe("");
  });

  it("logs -f goes on until the reader goes away or Ctrl-C", async () => {
    const run = await world.cli(["logs", "-f", "helper", "--json"], {
      onLine: (line, child) => {
        if (line.type === "output") child.kill("SIGINT");
      },
    });
    expect(run.exitCode).toBe(130);
  });

  it("exec passes output, environment and exit code on", async () => {
    const script = 'echo "out $COLOUR $WORD"; echo err >&2; exit 7';
    const run = await world.cli(["exec", "-e", "WORD=hi", "helper", "sh", "-c", script]);
    expect(run).toEqual({ exitCode: 7, stdout: "out green hi\n", stderr: "err\n" });
    const dashes = await world.cli(["exec", "helper", "--", "echo", "--", "-n"]);
    expect(dashes.stdout).toBe("-- -n\n");
    const json = await world.json(["exec", "helper", "sh", "-c", script]);
    expect(json.exitCode).toBe(7);
    expect(json.last).toMatchObject({ type: "result", command: "exec", exitCode: 7 });
  });

  it("exec -i and sh read stdin when it is no terminal", async () => {
    const cat = await world.cli(["exec", "-i", "helper", "cat"], { stdin: "over and out\n" });
    expect(cat).toEqual({ exitCode: 0, stdout: "over and out\n", stderr: "" });
    const sh = await world.cli(["sh", "helper"], { stdin: "echo $((6 * 7)); exit 3\n" });
    expect(sh).toEqual({ exitCode: 3, stdout: "42\n", stderr: "" });
  });

  it("cp copies both ways: files, directories, new names", async () => {
    await writeFile(join(world.directory, "note.txt"), "from here\n");
    await mkdir(join(world.directory, "tree/deep"), { recursive: true });
    await writeFile(join(world.directory, "tree/deep/leaf"), "leaf\n");
    for (const args of [
      ["note.txt", "helper:/workspace/"],
      ["note.txt", "helper:/workspace/renamed.txt"],
      ["tree", "helper:/workspace"],
      ["helper:/workspace/renamed.txt", "back.txt"],
      ["helper:/workspace/tree", "tree-back"],
      ["helper:/workspace/note.txt", "."],
    ]) {
      const run = await world.cli(["cp", ...args]);
      expect(run.stderr).toBe("");
      expect(run.exitCode).toBe(0);
    }
    expect(await readFile(join(world.directory, "back.txt"), "utf8")).toBe("from here\n");
    expect(await readFile(join(world.directory, "tree-back/deep/leaf"), "utf8")).toBe("leaf\n");
    const { stdout } = await world.cli(["exec", "helper", "cat", "/workspace/tree/deep/leaf"]);
    expect(stdout).toBe("leaf\n");
  });

  it("a second up of the same id is refused, and the first one goes on", async () => {
    const { exitCode, last } = await world.json(["up", runtime, "--id", id]);
    expect(exitCode).toBe(1);
    expect(last).toMatchObject({ type: "error", code: "ERR_WORKSPACE_EXISTS" });
    expect(await (await fetch(url)).text()).toBe("hello\n");
  });

  it("restart swaps the container and keeps files, environment and secrets", async () => {
    const { exitCode, last } = await world.json(["restart", "helper"]);
    expect(exitCode).toBe(0);
    expect(last).toMatchObject({ type: "result", command: "restart", id, ready: true });
    const run = await world.cli([
      "exec",
      "helper",
      "sh",
      "-c",
      "cat /workspace/note.txt; echo $COLOUR",
    ]);
    expect(run.stdout).toBe("from here\ngreen\n");
  });

  it("restart --upgrade follows the template, restart alone does not", async () => {
    await repository.commit({ "new-file": "x\n" });
    const before = (await world.json(["inspect", "helper"])).last as {
      workspace?: { revision?: string };
    };
    await world.json(["restart", "helper"]);
    const same = (await world.json(["inspect", "helper"])).last as {
      workspace?: { revision?: string };
    };
    expect(same.workspace?.revision).toBe(before.workspace?.revision);
    await world.json(["restart", "--upgrade", "helper"]);
    const after = (await world.json(["inspect", "helper"])).last as {
      workspace?: { revision?: string };
    };
    expect(after.workspace?.revision).not.toBe(before.workspace?.revision);
  });

  it("restart --upgrade follows the ref the workspace was started with", async () => {
    await repository.commit({ "on-branch": "1\n" }, { branch: "stable" });
    expect((await world.json(["up", runtime, "--id", "pinned", "--ref", "stable"])).exitCode).toBe(
      0,
    );
    await repository.commit({ "on-main": "1\n" });
    const wanted = await repository.commit({ "on-branch": "2\n" }, { branch: "stable" });
    expect((await world.json(["restart", "--upgrade", "pinned"])).exitCode).toBe(0);
    const { last } = await world.json(["inspect", "pinned"]);
    expect(last).toMatchObject({ workspace: { revision: wanted } });
    expect((await world.cli(["rm", "pinned"])).exitCode).toBe(0);
  });

  it("images and gc know the images, and gc spares the one in use", async () => {
    const { last } = await world.json(["images"]);
    expect(last["images"]).toEqual(expect.arrayContaining([expect.objectContaining({ runtime })]));
    const gc = await world.json(["gc", "--dry-run", "--keep", "1", "--max-age", "1s"]);
    expect(gc.exitCode).toBe(0);
    expect(await world.images()).not.toHaveLength(0);
  });

  it("completion knows the live names", async () => {
    expect((await world.cli(["__complete", "workspaces"])).stdout).toBe("helper\n");
    expect((await world.cli(["__complete", "runtimes"])).stdout).toContain(`${runtime}\n`);
  });

  it("stop stops it, and what needs it running says so", async () => {
    expect(await world.cli(["stop", "helper"])).toMatchObject({ exitCode: 0 });
    const { last } = await world.json(["inspect", "helper"]);
    expect(last).toMatchObject({ workspace: { status: "exited" } });
    const exec = await world.json(["exec", "helper", "true"]);
    expect(exec.exitCode).toBe(1);
    expect(exec.last).toMatchObject({ code: "ERR_WORKSPACE_NOT_RUNNING" });
    expect((await world.cli(["cp", "helper:/workspace/note.txt", "stopped.txt"])).exitCode).toBe(0);
    expect((await stat(join(world.directory, "stopped.txt"))).size).toBe(10);
  });

  it("rm --keep-volumes leaves the storage, up finds it again, rm leaves nothing", async () => {
    expect((await world.cli(["rm", "--keep-volumes", "helper"])).exitCode).toBe(0);
    const kept = await world.leftovers();
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.every((name) => name.startsWith("volume "))).toBe(true);
    expect((await world.json(["up", runtime, "--id", id])).exitCode).toBe(0);
    expect((await world.cli(["exec", id, "cat", "/workspace/note.txt"])).stdout).toBe(
      "from here\n",
    );
    expect((await world.cli(["rm", id])).exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
    expect((await world.cli(["ls", "-q"])).stdout).toBe("");
  });
});
