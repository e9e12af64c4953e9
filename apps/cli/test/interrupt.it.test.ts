import {
  callEngine,
  findTestEngine,
  startFakeRegistry,
  startFaultProxy,
} from "@molecule-ai/testkit";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, lastLine, type CliOptions } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

/** Its build can be held up, and its port never opens: every stage lasts until it is interrupted. */
function patientAgent(buildSeconds: number): Record<string, string> {
  return {
    Dockerfile: [
      "FROM molecule-test/busybox:latest",
      `RUN sleep ${buildSeconds}`,
      'ENTRYPOINT ["sh", "-c", "trap exit TERM; while true; do sleep 0.1; done"]',
      "",
    ].join("\n"),
    "config.yaml": "name: patient\n",
  };
}

/** Sends the signal, once, when the stage begins. */
function strikeAt(
  stage: string,
  signal: NodeJS.Signals = "SIGINT",
): NonNullable<CliOptions["onLine"]> {
  let struck = false;
  return (line, child) => {
    if (struck || line.type !== "stage.started" || line["stage"] !== stage) return;
    struck = true;
    child.kill(signal);
  };
}

describe.skipIf(engine.skip !== undefined)("Ctrl-C", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it.each(["resolve", "head", "checkout", "build", "create", "seed", "start", "ready"])(
    "in stage %s ends with 130 and leaves nothing",
    async (stage) => {
      const { name } = await world.createRuntime(patientAgent(stage === "build" ? 500 : 0));
      const run = await world.cli(["up", name, "--json"], { onLine: strikeAt(stage) });
      const last = lastLine(run);
      const shown = JSON.stringify(jsonLines(run).slice(-5), null, 1);
      expect(run.exitCode, shown).toBe(130);
      expect(last, shown).toMatchObject({
        type: "error",
        code: "ERR_CLI_INTERRUPTED",
        exitCode: 130,
        details: { signal: "SIGINT" },
      });
      expect(last["undone"]).toEqual(
        jsonLines(run)
          .filter(({ type }) => type === "undone")
          .map((line) => line["what"]),
      );
      if (["seed", "start", "ready"].includes(stage)) {
        expect((last["undone"] as string[]).length, shown).toBeGreaterThan(0);
      }
      expect(await world.leftovers()).toEqual([]);
      if (stage === "build") expect(await world.images()).toEqual([]);
    },
  );

  it("in stage pull ends with 130 and leaves nothing", async () => {
    await using registry = await startFakeRegistry({ layerBytes: 32 * 1024 * 1024 });
    const { name } = await world.createRuntime(patientAgent(0));
    const run = await world.cli(["up", name, "--json"], {
      env: { MOLECULE_IMAGE_REGISTRY: `${registry.host}/org` },
      onLine: strikeAt("pull"),
    });
    expect(run.exitCode).toBe(130);
    expect(lastLine(run)).toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
    expect(await world.leftovers()).toEqual([]);
  });

  it("as SIGTERM does the same", async () => {
    const { name } = await world.createRuntime(patientAgent(0));
    const run = await world.cli(["up", name, "--json"], { onLine: strikeAt("ready", "SIGTERM") });
    expect(run.exitCode).toBe(130);
    expect(lastLine(run)).toMatchObject({ details: { signal: "SIGTERM" } });
    expect(await world.leftovers()).toEqual([]);
  });

  it("while a replacement is prepared leaves the old workspace running", async () => {
    const { name } = await world.createRuntime({
      Dockerfile: [
        "FROM molecule-test/busybox:latest",
        "RUN mkdir -p /www && echo first > /www/index.html",
        // The second start, which finds the mark of the first, never opens its port.
        `ENTRYPOINT ["sh", "-c", "[ -e /workspace/mark ] && exec sleep 1000; touch /workspace/mark; exec httpd -f -p 8000 -h /www"]`,
        "",
      ].join("\n"),
      "config.yaml": "name: twice\n",
    });
    const { last } = await world.json(["up", name]);
    const id = String(last["id"]);
    const run = await world.cli(["restart", id, "--json"], { onLine: strikeAt("ready") });
    expect(run.exitCode).toBe(130);
    const inspected = await world.json(["inspect", id]);
    expect(inspected.last).toMatchObject({ workspace: { id, status: "running" } });
    expect((await world.cli(["rm", id])).exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("a second time ends at once, whatever the clean-up does", async () => {
    await using proxy = await startFaultProxy({ socketPath: world.socketPath });
    proxy.add({ method: "DELETE", path: /\/containers\//, fault: { kind: "hang" } });
    proxy.add({ method: "POST", path: /\/containers\/[^/]+\/stop/, fault: { kind: "hang" } });
    const { name } = await world.createRuntime(patientAgent(0));
    const run = await world.cli(["up", name, "--json"], {
      env: { DOCKER_HOST: proxy.dockerHost },
      onLine(line, child) {
        if (line.type !== "stage.started" || line["stage"] !== "ready") return;
        child.kill("SIGINT");
        const hung = async (): Promise<void> => {
          while (!proxy.requests.some(({ fault }) => fault === "hang")) await sleep(20);
          child.kill("SIGINT");
        };
        void hung();
      },
    });
    expect(run.exitCode).toBe(130);
    expect(jsonLines(run).at(-1)?.type).not.toBe("result");
    // What it could not clean up, sweep finds.
    const left = await world.leftovers();
    expect(left.length).toBeGreaterThan(0);
    for (const container of left.filter((name) => name.startsWith("container "))) {
      const path = `/containers/${container.replace(/^container \//, "")}?force=1`;
      await callEngine(world.socketPath, { method: "DELETE", path });
    }
    const swept = await world.json(["sweep", "--volumes", "--grace", "1ms"]);
    expect(swept.exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("that cannot be caught leaves what sweep finds, and nothing of the living", async () => {
    const { name } = await world.createRuntime(AGENT);
    const { last } = await world.json(["up", name, "--name", "living"]);
    await world.cli(["up", name, "--json"], { onLine: strikeAt("seed", "SIGKILL") });
    expect((await world.leftovers()).length).toBeGreaterThan(3);
    const dry = await world.json(["sweep", "--volumes", "--dry-run", "--grace", "1ms"]);
    expect(dry.last["dryRun"]).toBe(true);
    expect((dry.last["removed"] as string[]).length).toBeGreaterThan(0);
    expect((await world.json(["sweep"])).last["removed"]).toEqual([]);
    expect((await world.json(["sweep", "--volumes", "--grace", "1ms"])).last["failed"]).toEqual([]);
    const { workspaces } = (await world.json(["ls"])).last as { workspaces?: { id: string }[] };
    expect(workspaces?.map(({ id }) => id)).toEqual([last["id"]]);
    expect((await world.cli(["rm", "living"])).exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("tells people what happens", async () => {
    const { name } = await world.createRuntime(patientAgent(0));
    let struck = false;
    const run = await world.cli(["up", name], {
      onText(text, child) {
        if (struck || !text.includes("started")) return;
        struck = true;
        child.kill("SIGINT");
      },
    });
    expect(run.exitCode).toBe(130);
    expect(run.stderr).toContain("SIGINT: stopping and cleaning up");
    expect(run.stderr).toMatch(/undone .*ws-/);
    expect(run.stderr).toContain("Interrupted by SIGINT");
  });
});
