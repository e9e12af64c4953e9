import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./process.mjs";

const SERVER = "apps/server/dist/bin.js";
/** Preferred, so that what people note down of one run holds for the next. */
const PORT = 41_731;
const START_LIMIT_MS = 60_000;
/** The server itself takes up to 10 s to hand back what it is doing. */
const STOP_LIMIT_MS = 15_000;
const POLL_MS = 50;

/**
 * Where the server of this checkout keeps what is its own.
 * @param {string} stateDir
 */
export function controlPlaneFiles(stateDir) {
  const dir = join(stateDir, "server");
  return {
    dir,
    state: join(dir, "state"),
    token: join(dir, "token"),
    address: join(dir, "address.json"),
    log: join(dir, "server.log"),
  };
}

/**
 * Starts the built server as a process of its own, which outlives this one, and waits until it is
 * ready. One that an earlier run left is used when it is of this build and has these settings, else
 * stopped first.
 * @param {{ root: string, stateDir: string, signal: AbortSignal, env: Record<string, string | undefined> }} options
 */
export async function startControlPlane({ root, stateDir, signal, env }) {
  const files = controlPlaneFiles(stateDir);
  const { mtimeMs } = await stat(serverPath(root));
  const made = JSON.stringify([mtimeMs, env]);
  const running = await runningControlPlane(stateDir);
  if (running?.made === made && (await isReady(running.url))) {
    return { ...running, outcome: `${running.url}, still running`, stop: undefined };
  }
  await stopControlPlane(stateDir);
  await mkdir(files.dir, { recursive: true, mode: 0o700 });
  const token = await ensureToken(files.token);
  signal.throwIfAborted();
  const port = await freePort(PORT);
  const log = openSync(files.log, "w", 0o600);
  const child = spawn(process.execPath, [serverPath(root)], {
    cwd: files.dir,
    env: {
      ...process.env,
      ...env,
      HOST: "127.0.0.1",
      PORT: String(port),
      MOLECULE_STATE_DIR: files.state,
      // Not an argument: every user of the machine can read those.
      ADMIN_TOKEN: token,
      DATABASE_URL: undefined,
      MOLECULE_INSTALL_ID: undefined,
    },
    stdio: ["ignore", log, log],
    detached: true,
  });
  child.unref();
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  await writeFile(files.address, JSON.stringify({ url, pid: child.pid, made }));
  const stop = () => stopControlPlane(stateDir);
  try {
    await untilReady(url, child, signal);
  } catch (error) {
    await stop();
    signal.throwIfAborted();
    const lines = (await readFile(files.log, "utf8")).trimEnd().split("\n").slice(-20);
    throw new Error(
      [`The server did not become ready; its log is ${files.log}:`, ...lines].join("\n    "),
      { cause: error },
    );
  }
  return { url, tokenFile: files.token, outcome: url, stop };
}

/**
 * The server an earlier run left, if it still runs.
 * @param {string} stateDir
 */
export async function runningControlPlane(stateDir) {
  const { address, token } = controlPlaneFiles(stateDir);
  if (!existsSync(address)) return undefined;
  const { url, pid, made } = JSON.parse(await readFile(address, "utf8"));
  if (!(await isServer(pid))) return undefined;
  return { url: String(url), pid: Number(pid), made: String(made), tokenFile: token };
}

/**
 * Ends the server an earlier run left; false when there is none.
 * @param {string} stateDir
 */
export async function stopControlPlane(stateDir) {
  const running = await runningControlPlane(stateDir);
  if (running !== undefined) await stopProcess(running.pid);
  await rm(controlPlaneFiles(stateDir).address, { force: true });
  return running !== undefined;
}

/** @param {number} pid */
async function stopProcess(pid) {
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + STOP_LIMIT_MS;
  while (await isServer(pid)) {
    if (performance.now() > deadline) throw new Error(`the server (process ${pid}) does not stop`);
    await sleep(POLL_MS);
  }
}

/**
 * The number may belong to another process by now, and one that is a zombie has no command line.
 * @param {number} pid
 */
async function isServer(pid) {
  const command = existsSync("/proc/self/cmdline")
    ? await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")
    : (await run("ps", ["-p", String(pid), "-o", "command="], { anyExit: true })).stdout;
  return command.includes(SERVER);
}

/** @param {string} root */
function serverPath(root) {
  return join(root, SERVER);
}

/** @param {string} file */
async function ensureToken(file) {
  if (existsSync(file)) return (await readFile(file, "utf8")).trim();
  const token = randomBytes(32).toString("base64url");
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return token;
}

/**
 * @param {string} url
 * @param {import("node:child_process").ChildProcess} child
 * @param {AbortSignal} signal
 */
async function untilReady(url, child, signal) {
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    signal.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    if (performance.now() > deadline) throw new Error("it took too long");
    if (await isReady(url)) return;
    await sleep(POLL_MS);
  }
}

/** @param {string} url */
async function isReady(url) {
  try {
    const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2000) });
    // Degraded means that it has no engine yet.
    return /** @type {any} */ (await answer.json()).status === "ready";
  } catch {
    return false;
  }
}

/**
 * @param {number} preferred
 * @returns {Promise<number>} A port nobody listens on.
 */
async function freePort(preferred) {
  const server = createServer();
  try {
    for (const port of [preferred, 0]) {
      const found = await new Promise((resolve) => {
        server.once("error", () => resolve(undefined));
        server.listen(port, "127.0.0.1", () => resolve(server.address()));
      });
      if (found !== undefined) return found.port;
    }
    throw new Error("There is no free port.");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
