import { setTimeout as sleep } from "node:timers/promises";
import { tierHostConfig, tierLimitsFromEnv, type Tier } from "@molecule-ai/host-config";
import {
  callEngine,
  callEngineJson,
  cleanupEngine,
  findTestEngine,
  skipOrThrow,
  uniqueName,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BASE_IMAGE, buildTemplate, tarOf, templateFile } from "./template-image.js";

const engine = await findTestEngine();
const socketPath = engine.socketPath ?? "";
const hasBase =
  engine.skip === undefined &&
  (await callEngine(socketPath, { method: "GET", path: `/images/${BASE_IMAGE}/json` })).status ===
    200;
if (engine.skip === undefined && !hasBase) {
  skipOrThrow(
    "engine",
    `no image ${BASE_IMAGE} for the example templates (npm run quickstart makes it)`,
  );
}

const label = uniqueName("molecule.test.examples");
const labels = { [label]: "true" };
const image = `molecule-test/${uniqueName("hello")}:latest`;

describe.skipIf(!hasBase)("the example templates on a real engine", () => {
  beforeAll(async () => {
    const output = await buildTemplate(socketPath, "hello", image, labels);
    expect(output).not.toContain("errorDetail");
  });
  afterAll(async () => {
    await cleanupEngine(socketPath, label);
  });

  it.each([1, 2] as const)(
    "hello runs as uid 1000 on tier %i and leaves a snapshot",
    async (tier) => {
      const name = uniqueName("molecule-test-hello");
      const url = await startHello(name, tier);
      const message = { parts: [{ kind: "text", text: "hi" }] };
      const response = await fetch(url, {
        method: "POST",
        body: JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "message/send",
          params: { message },
        }),
      });
      expect(await response.json()).toMatchObject({
        result: { parts: [{ kind: "text", text: "hello heard: hi" }] },
      });
      expect(await usersOf(name)).toEqual(["1000"]);

      await callEngine(socketPath, { method: "POST", path: `/containers/${name}/stop?t=20` });
      const { State } = await inspect(name);
      expect(State.ExitCode).toBe(0);
      const snapshot = await callEngine(socketPath, {
        method: "GET",
        path: `/containers/${name}/archive?path=/configs/.snapshot/transcript.json`,
      });
      expect(snapshot.body.toString("utf8")).toContain("hello heard: hi");
    },
  );

  it("broken fails in its second RUN with the words of the command", async () => {
    const tag = `molecule-test/${uniqueName("broken")}:latest`;
    const output = await buildTemplate(socketPath, "broken", tag, labels);
    expect(output).toContain("errorDetail");
    expect(output).toMatch(/exit code: 3/);
    const found = await callEngine(socketPath, { method: "GET", path: `/images/${tag}/json` });
    expect(found.status).toBe(404);
  });
});

interface Inspection {
  readonly State: { readonly ExitCode: number };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, { readonly HostPort: string }[] | null>>;
  };
}

function inspect(name: string): Promise<Inspection> {
  return callEngineJson(socketPath, { method: "GET", path: `/containers/${name}/json` });
}

/** Starts the agent as a workspace is started: volumes, files, then the process. */
async function startHello(name: string, tier: Tier): Promise<string> {
  for (const role of ["configs", "workspace"]) {
    const body = { Name: `${name}-${role}`, Labels: labels };
    await callEngineJson(socketPath, { method: "POST", path: "/volumes/create", body });
  }
  const hostConfig = tierHostConfig({
    tier,
    limits: tierLimitsFromEnv({}).limits,
    binds: { configs: `${name}-configs:/configs`, workspace: `${name}-workspace:/workspace` },
    networkName: "bridge",
    agentPort: 8000,
  });
  await callEngineJson(socketPath, {
    method: "POST",
    path: `/containers/create?name=${name}`,
    body: {
      Image: image,
      Labels: labels,
      Env: [`WORKSPACE_ID=${name}`],
      ExposedPorts: { "8000/tcp": {} },
      HostConfig: hostConfig,
    },
  });
  const config = await templateFile("hello", "config.yaml");
  const seeded = await callEngine(socketPath, {
    method: "PUT",
    path: `/containers/${name}/archive?path=/configs`,
    body: await tarOf({ "config.yaml": config }),
  });
  expect(seeded.status).toBe(200);
  await callEngineJson(socketPath, { method: "POST", path: `/containers/${name}/start` });
  const { NetworkSettings } = await inspect(name);
  const url = `http://127.0.0.1:${NetworkSettings.Ports["8000/tcp"]?.[0]?.HostPort ?? ""}`;
  for (;;) {
    // A connection opened before the agent listens may be accepted by the engine's proxy and hang.
    const healthy = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return url;
    await sleep(50);
  }
}

/** User ids of the agent's processes, as the host sees them; the init process of the engine left out. */
async function usersOf(name: string): Promise<string[]> {
  const { Processes } = await callEngineJson<{ Processes: string[][] }>(socketPath, {
    method: "GET",
    path: `/containers/${name}/top?ps_args=${encodeURIComponent("-eo pid,uid,args")}`,
  });
  const agents = Processes.filter((row) => row.at(-1)?.includes("agent.py"));
  return [
    ...new Set(
      agents.filter((row) => !row.at(-1)?.includes("docker-init")).map(([, uid]) => uid ?? ""),
    ),
  ];
}
