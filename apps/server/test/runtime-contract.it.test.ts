import { LABELS } from "@molecule-ai/core";
import {
  callEngine,
  callEngineJson,
  cleanupEngine,
  findTestEngine,
  readTestFiles,
  skipOrThrow,
  startGiteaServer,
  uniqueName,
  type GiteaServer,
  type TestFiles,
} from "@molecule-ai/testkit";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";

const TEMPLATE = join(dirname(fileURLToPath(import.meta.url)), "../../../examples/templates/hello");
const BASE = "molecule-local/base:bookworm";
const OWNER = "molecule-ai";
const PREFIX = "molecule-ai-workspace-template-";
const NETWORK = "molecule-monorepo-net";
const HEARTBEAT_SECONDS = "0.4";
const FIRST_SECRET = "first-value-7d1f0b6e";
const SECOND_SECRET = "second-value-c04e92aa";
const POLL = { timeout: 60_000, interval: 50 };

const found = await findTestEngine();
const socketPath = found.socketPath ?? "";
const reason = found.skip ?? (await missingBase());

async function missingBase(): Promise<string | undefined> {
  const { status } = await callEngine(socketPath, { method: "GET", path: `/images/${BASE}/json` });
  if (status === 200) return undefined;
  return skipOrThrow("engine", `no base image ${BASE}: npm test and npm run quickstart make it`);
}

interface Container {
  readonly Id: string;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
  readonly State: { readonly Running: boolean };
}

interface Workspace {
  readonly status: string;
  readonly url: string | null;
  readonly agent_card: { readonly name?: string; readonly url?: string } | null;
  readonly last_heartbeat_at: string | null;
  readonly why: { readonly kind: string | null; readonly state: string | null };
}

/** The agent of the example, under the name of a runtime that every server knows. */
async function templateFiles(): Promise<TestFiles> {
  const files = await readTestFiles(TEMPLATE);
  const text = (name: string): Promise<string> => readFile(join(TEMPLATE, name), "utf8");
  return {
    ...files,
    Dockerfile: `${await text("Dockerfile")}ENV HEARTBEAT_INTERVAL_SECONDS=${HEARTBEAT_SECONDS}\n`,
    "config.yaml": (await text("config.yaml")).replace(/^runtime: .*$/m, "runtime: langgraph"),
    // A tree of its own, so that the image is built here and goes with this test.
    "README.md": `${uniqueName("contract")}\n`,
  };
}

describe.skipIf(reason !== undefined)(
  `a runtime that knows nothing but the contract${reason === undefined ? "" : `: ${reason}`}`,
  { timeout: 240_000 },
  () => {
    let templates: GiteaServer;
    let server: ServerProcess;
    let home: string;
    let adminToken: string;
    let id: string;
    let hadNetwork: boolean;
    let hasFailed = false;
    let installId: string | undefined;
    /** Every token an agent had. */
    const agentTokens: string[] = [];

    beforeAll(async () => {
      if (reason !== undefined) return;
      hadNetwork = await hasNetwork();
      home = await mkdtemp(join(tmpdir(), "molecule-contract-"));
      templates = await startGiteaServer();
      await templates.createRepository({
        owner: OWNER,
        name: `${PREFIX}langgraph`,
        files: await templateFiles(),
      });
      server = await startServerProcess({
        HOME: home,
        PORT: "0",
        DOCKER_HOST: `unix://${socketPath}`,
        MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: `${templates.baseUrl}/${OWNER}/${PREFIX}`,
      });
      adminToken = /shown only this once: (\S+)/.exec(server.output())?.[1] ?? "";
    });

    // One story: what follows a failure would only wait for what never comes.
    beforeEach(({ skip, onTestFailed }) => {
      skip(hasFailed, "an earlier part failed");
      onTestFailed(() => {
        hasFailed = true;
      });
    });

    afterAll(async () => {
      if (reason !== undefined) return;
      await server?.[Symbol.asyncDispose]();
      await templates?.[Symbol.asyncDispose]();
      if (installId !== undefined) {
        await cleanupEngine(socketPath, `${LABELS.install}=${installId}`);
        await cleanupEngine(socketPath, `${LABELS.builtBy}=${installId}`);
      }
      // Other installations may be on it by now: then the engine refuses.
      if (!hadNetwork)
        await callEngine(socketPath, { method: "DELETE", path: `/networks/${NETWORK}` });
      if (home !== undefined) await rm(home, { recursive: true, force: true });
    });

    async function hasNetwork(): Promise<boolean> {
      const path = `/networks/${NETWORK}`;
      return (await callEngine(socketPath, { method: "GET", path })).status === 200;
    }

    async function ask(
      method: string,
      path: string,
      body?: object,
      token = adminToken,
    ): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
      const response = await fetch(server.url + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
    }

    async function workspace(): Promise<Workspace> {
      return (await ask("GET", `/workspaces/${id}`)).body as unknown as Workspace;
    }

    /** Also the operation has ended: a heartbeat may come before it. */
    async function untilOnline(): Promise<void> {
      const state = async (): Promise<string> => {
        const { status, why } = await workspace();
        if (status === "failed") throw new Error(`${JSON.stringify(why)}\n${server.output()}`);
        return `${status}, ${why.kind} ${why.state}`;
      };
      await expect.poll(state, POLL).toMatch(/^online, \w+ succeeded$/);
    }

    /** Resolves once the agent was heard `after` a moment. */
    async function untilHeard(after: number): Promise<void> {
      const heard = async (): Promise<number> =>
        Date.parse((await workspace()).last_heartbeat_at ?? "1970-01-01");
      await expect.poll(heard, POLL).toBeGreaterThan(after);
    }

    /** What the engine has of the workspace, stopped or not. */
    async function onEngine(): Promise<{ containers: string[]; volumes: string[] }> {
      const filter = encodeURIComponent(JSON.stringify({ label: [`${LABELS.workspace}=${id}`] }));
      const get = <T>(path: string): Promise<T> =>
        callEngineJson<T>(socketPath, { method: "GET", path });
      const containers = await get<{ Id: string }[]>(`/containers/json?all=1&filters=${filter}`);
      const volumes = await get<{ Volumes: { Name: string }[] | null }>(
        `/volumes?filters=${filter}`,
      );
      return {
        containers: containers.map((one) => one.Id),
        volumes: (volumes.Volumes ?? []).map(({ Name }) => Name),
      };
    }

    async function container(): Promise<Container> {
      const { containers } = await onEngine();
      expect(containers).toHaveLength(1);
      const path = `/containers/${containers[0]}/json`;
      return callEngineJson(socketPath, { method: "GET", path });
    }

    /** Output of a command in the container. */
    async function run(user: "root" | "agent", ...command: string[]): Promise<string> {
      const exec = await callEngineJson<{ Id: string }>(socketPath, {
        method: "POST",
        path: `/containers/${(await container()).Id}/exec`,
        body: { AttachStdout: true, AttachStderr: true, Tty: true, User: user, Cmd: command },
      });
      const { body } = await callEngine(socketPath, {
        method: "POST",
        path: `/exec/${exec.Id}/start`,
        body: { Tty: true },
      });
      return body.toString("utf8");
    }

    /** The environment of the agent's process; that of the command itself is the container's. */
    function agentEnvironment(): Promise<string> {
      return run("agent", "sh", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'");
    }

    async function readToken(): Promise<string> {
      const token = (await run("root", "cat", "/configs/.auth_token")).trim();
      expect(token).toMatch(/^[\w-]{43}$/);
      agentTokens.push(token);
      return token;
    }

    function beat(token: string): Promise<{ readonly status: number }> {
      return ask("POST", "/registry/heartbeat", { workspace_id: id }, token);
    }

    async function say(text: string): Promise<unknown> {
      const { url } = await workspace();
      const response = await fetch(url ?? "", {
        method: "POST",
        body: JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "message/send",
          params: { message: { parts: [{ kind: "text", text }] } },
        }),
      });
      return response.json();
    }

    it.skipIf(process.platform !== "linux")(
      "is all that reaches a server that listens on loopback",
      async () => {
        const { port } = new URL(server.url);
        await expect.poll(() => server.output(), POLL).toContain("agents reach the server at");
        const gateway = /agents reach the server at http:\/\/([\d.]+):/.exec(server.output())?.[1];
        const others = Object.values(networkInterfaces())
          .flatMap((all) => all ?? [])
          .filter(({ family, internal }) => family === "IPv4" && !internal)
          .map(({ address }) => address)
          .filter((address) => address !== gateway);
        expect(await isOpen(gateway ?? "", Number(port))).toBe(true);
        for (const address of others) expect(await isOpen(address, Number(port))).toBe(false);
      },
    );

    it("is provisioned, registers, sends heartbeats and answers", async () => {
      const created = await ask("POST", "/workspaces", {
        name: "Contract",
        runtime: "langgraph",
        secrets: { MODEL_KEY: FIRST_SECRET },
      });
      expect(created.status, JSON.stringify(created.body)).toBe(201);
      expect(created.body).toMatchObject({ status: "provisioning" });
      id = created.body["id"] as string;
      await untilOnline();
      const { Id, Config } = await container();
      installId = Config.Labels[LABELS.install];
      await untilHeard(0);
      const row = await workspace();
      expect(row.agent_card).toMatchObject({ name: "hello", skills: [{ id: "echo" }] });
      // It names itself by its own host name, which is no address to us; the stored one stays.
      expect(row.agent_card?.url).toBe(`http://${Id.slice(0, 12)}:8000`);
      expect(row.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(await say("hi")).toMatchObject({
        result: { parts: [{ text: "hello heard: hi" }] },
      });
      expect(await agentEnvironment()).toContain(`MODEL_KEY=${FIRST_SECRET}`);
      await untilHeard(Date.parse(row.last_heartbeat_at ?? ""));
      expect((await beat(await readToken())).status).toBe(200);
    });

    it("is restarted for a new secret, with a token of its own and its storage", async () => {
      const before = await container();
      const oldToken = agentTokens.at(-1) ?? "";
      const saved = await ask("POST", `/workspaces/${id}/secrets`, {
        key: "MODEL_KEY",
        value: SECOND_SECRET,
      });
      expect(saved.status, JSON.stringify(saved.body)).toBe(200);
      // The one it has runs until its successor is made.
      await expect
        .poll(async () => (await onEngine()).containers.includes(before.Id), POLL)
        .toBe(false);
      const replacedAt = Date.now();
      await untilOnline();
      await untilHeard(replacedAt);
      expect((await container()).Id).not.toBe(before.Id);
      const environment = await agentEnvironment();
      expect(environment).toContain(`MODEL_KEY=${SECOND_SECRET}`);
      expect(environment).not.toContain(FIRST_SECRET);
      const token = await readToken();
      expect(token).not.toBe(oldToken);
      expect((await beat(oldToken)).status).toBe(401);
      expect((await beat(token)).status).toBe(200);
      // What the agent before it wrote when it was asked to stop.
      expect(await run("root", "cat", "/configs/.snapshot/transcript.json")).toContain(
        "hello heard: hi",
      );
    });

    it("is stopped by a pause and comes back by a resume", async () => {
      const paused = await ask("POST", `/workspaces/${id}/pause`);
      expect(paused.status, JSON.stringify(paused.body)).toBe(200);
      expect((await workspace()).status).toBe("paused");
      expect((await container()).State.Running).toBe(false);
      const resumedAt = Date.now();
      const resumed = await ask("POST", `/workspaces/${id}/resume`);
      expect(resumed.status, JSON.stringify(resumed.body)).toBe(200);
      await untilOnline();
      await untilHeard(resumedAt);
      expect((await container()).State.Running).toBe(true);
      await readToken();
      expect(await say("again")).toMatchObject({
        result: { parts: [{ text: "hello heard: again" }] },
      });
    });

    it("reads its token again when it is refused, without a restart", async () => {
      const before = await container();
      const issued = await ask("POST", `/workspaces/${id}/tokens`, {});
      expect(issued.status, JSON.stringify(issued.body)).toBe(201);
      const token = issued.body["auth_token"] as string;
      agentTokens.push(token);
      await run("root", "sh", "-c", `printf '%s\\n' '${token}' > /configs/.auth_token`);
      const { body } = await ask("GET", `/workspaces/${id}/tokens`);
      const [first] = body["tokens"] as { readonly id: string }[];
      const revoked = await ask("DELETE", `/workspaces/${id}/tokens/${first?.id}`);
      expect(revoked.status, JSON.stringify(revoked.body)).toBe(200);
      expect((await beat(agentTokens.at(-2) ?? "")).status).toBe(401);
      await untilHeard(Date.now());
      expect((await container()).Id).toBe(before.Id);
    });

    it("leaves neither token nor secret in the engine's record or in the log", async () => {
      const record = JSON.stringify(await container());
      const log = server.output();
      expect(agentTokens).toHaveLength(4);
      for (const secret of [...agentTokens, FIRST_SECRET, SECOND_SECRET]) {
        expect(record).not.toContain(secret);
        expect(log).not.toContain(secret);
      }
      expect(log.split(adminToken)).toHaveLength(2);
    });

    it("leaves nothing on the engine once it is deleted", async () => {
      expect((await onEngine()).volumes.length).toBeGreaterThan(0);
      const removed = await ask("DELETE", `/workspaces/${id}`);
      expect(removed.status, JSON.stringify(removed.body)).toBe(200);
      expect(await onEngine()).toEqual({ containers: [], volumes: [] });
      expect((await beat(agentTokens.at(-1) ?? "")).status).not.toBe(200);
      expect(await server.stop()).toBe(0);
    });
  },
);

async function isOpen(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
