import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const AGENT = join(dirname(fileURLToPath(import.meta.url)), "../templates/hello/agent.py");

/** True when the machine can run the agent outside a container. */
export const hasPython: boolean =
  spawnSync("python3", ["--version"], { stdio: "ignore" }).status === 0;

export interface StartAgentOptions {
  /** Whole config.yaml with `PORT` for the port; null for none at all. */
  readonly config?: string | null;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The agent as a plain process with a config directory of its own. */
export interface AgentProcess extends AsyncDisposable {
  readonly url: string;
  readonly configDir: string;
  readonly child: ChildProcess;
  /** Everything it has printed. */
  output(): string;
  /** Resolves once it answers; rejects when it exits first. */
  ready(): Promise<void>;
  exited(): Promise<number | null>;
}

const CONFIG = `name: hello
description: a test
version: 1.2.3
runtime: hello
a2a:
  port: PORT
`;

export async function startAgent(options: StartAgentOptions = {}): Promise<AgentProcess> {
  const configDir = await mkdtemp(join(tmpdir(), "hello-agent-"));
  const port = await freePort();
  if (options.config !== null) {
    const config = (options.config ?? CONFIG).replace("PORT", String(port));
    await writeFile(join(configDir, "config.yaml"), config);
  }
  if (options.token !== undefined) {
    await writeFile(join(configDir, ".auth_token"), `${options.token}\n`, { mode: 0o600 });
  }
  const child = spawn("python3", [AGENT], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      PYTHONDONTWRITEBYTECODE: "1",
      WORKSPACE_ID: "ws-under-test",
      WORKSPACE_CONFIG_PATH: configDir,
      HOSTNAME: "agent-host",
      ...options.env,
    },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, "exit").then(([code]) => code as number | null);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    configDir,
    child,
    output: () => output,
    exited: () => exit,
    async ready() {
      while (child.exitCode === null) {
        const answered = await fetch(`${url}/health`).then(
          (response) => response.ok,
          () => false,
        );
        if (answered) return;
        await sleep(20);
      }
      throw new Error(`the agent exited with ${child.exitCode}: ${output}`);
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
      await rm(configDir, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
