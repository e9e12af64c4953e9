import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const SERVER = join(import.meta.dirname, "../../../server");
const ADMIN_TOKEN = "admin-token-of-the-cli-tests";
const START_LIMIT_MS = 60_000;

/** The real server, from its sources, as a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  /** What it logged so far. */
  log(): string;
  /** Ends it as a crash does; `restart` brings it back with the same state and address. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

export async function startServerProcess(
  env: Readonly<Record<string, string>>,
): Promise<ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let log = "";
  let child: ReturnType<typeof spawn> | undefined;

  const start = async (): Promise<void> => {
    const started = spawn(
      process.execPath,
      ["--conditions=@molecule-ai/source", "--import", "tsx", "src/bin.ts"],
      {
        cwd: SERVER,
        env: { ...env, PORT: String(port), ADMIN_TOKEN, SHUTDOWN_GRACE_SECONDS: "5" },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      createInterface({ input: stream }).on("line", (line) => (log += `${line}\n`));
    }
    const deadline = Date.now() + START_LIMIT_MS;
    while (!(await isReady(url))) {
      if (started.exitCode !== null || Date.now() > deadline) {
        started.kill("SIGKILL");
        throw new Error(`the server did not become ready:\n${log}`);
      }
      await sleep(100);
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
  };

  await start();
  return {
    url,
    adminToken: ADMIN_TOKEN,
    log: () => log,
    kill: () => end("SIGKILL"),
    restart: start,
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2000) });
    // Degraded means that it has no engine yet.
    return ((await answer.json()) as { status?: unknown }).status === "ready";
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
