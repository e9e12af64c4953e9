import { spawn } from "node:child_process";
import { existsSync, openSync, closeSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installPackages, mayInstallPackages } from "./debian.mjs";
import { CommandError, run } from "./process.mjs";

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

/** @typedef {import("@molecule-ai/docker-engine").DockerEngine} DockerEngine */
/** @typedef {Error & { code?: string, hint?: string, details?: { candidates?: unknown } }} EngineFailure */

/**
 * @typedef {object} EngineContext
 * @property {string} root The checkout.
 * @property {string} stateDir Where the engine we start is remembered.
 * @property {AbortSignal} signal
 * @property {string} log
 * @property {ReturnType<typeof import("./undo.mjs").createUndo>} undo
 */

/**
 * The engine that our packages find too, started or installed if need be. What was started is put on
 * `undo`.
 * @param {EngineContext} context
 * @returns {Promise<{ engine: DockerEngine, outcome: string }>}
 */
export async function ensureEngine(context) {
  const found = await findEngine(context);
  if ("engine" in found) return { engine: found.engine, outcome: describe(found.engine) };
  if (!found.error.mayStartOne || !(await mayInstallPackages())) throw found.error;

  const packages = hasDockerd() ? [] : ["docker.io", "iptables", "ca-certificates"];
  const installed = await installPackages(packages, context);
  // The package of a machine with systemd starts the service by itself.
  const served = await findEngine(context);
  if ("engine" in served) return { engine: served.engine, outcome: describe(served.engine) };
  if (existsSync("/run/systemd/system")) {
    await run("systemctl", ["start", "docker"], context);
    const engine = await waitForEngine(context, () => true);
    return { engine, outcome: `${describe(engine)}, started by systemd` };
  }
  const engine = await startDockerd(context);
  const how = installed.length === 0 ? "started" : "installed and started";
  return { engine, outcome: `${describe(engine)}, ${how}` };
}

/**
 * @param {EngineContext} context
 * @returns {Promise<{ engine: DockerEngine } | { error: EngineMissingError }>}
 */
async function findEngine({ signal }) {
  const { connectEngine, engineSettingsFromEnv } = await import("@molecule-ai/docker-engine");
  const settings = engineSettingsFromEnv(process.env, {
    homeDirectory: homedir(),
    platform: process.platform,
    uid: process.getuid?.(),
  });
  try {
    return { engine: await connectEngine({ settings, signal }) };
  } catch (error) {
    signal.throwIfAborted();
    return { error: new EngineMissingError(/** @type {EngineFailure} */ (error)) };
  }
}

/** No engine, and we may not install one here: says what the person has to do. */
export class EngineMissingError extends Error {
  /** @param {EngineFailure} cause */
  constructor(cause) {
    super([cause.message, "", ...remedy(cause)].join("\n"), { cause });
    this.name = "EngineMissingError";
    /** False when the person named an engine, or one is there and refuses us. */
    this.mayStartOne = cause.code === "ERR_ENGINE_UNREACHABLE" && !isNamed(cause);
  }
}

/**
 * @param {EngineFailure} failure
 * @returns {{ address: string, origin: string, reason: string }[]}
 */
function candidatesOf({ details }) {
  return Array.isArray(details?.candidates) ? details.candidates : [];
}

/** @param {EngineFailure} failure */
function isNamed(failure) {
  return candidatesOf(failure).some(({ origin }) => /^(DOCKER_HOST|context )/.test(origin));
}

/** @param {EngineFailure} cause */
function remedy(cause) {
  if (cause.code === "ERR_ENGINE_PERMISSION") {
    return [
      "A Docker engine runs, but this user may not use it. Either",
      '  sudo usermod -aG docker "$USER"   and log in again, or',
      "  sudo npm run quickstart",
    ];
  }
  if (cause.code !== "ERR_ENGINE_UNREACHABLE" || isNamed(cause)) {
    return [cause.hint ?? "Make the engine named by DOCKER_HOST or the Docker context answer."];
  }
  if (process.platform === "darwin") {
    return [
      "Install and start one of these, then run the same command again:",
      "  Docker Desktop   https://docs.docker.com/desktop/setup/install/mac-install/",
      "  Colima           brew install colima docker && colima start",
    ];
  }
  if (process.platform === "win32") {
    return ["Run this inside WSL 2 with a Debian or Ubuntu distribution, as root."];
  }
  return [
    "As root on Debian or Ubuntu this command installs and starts one by itself:",
    "  sudo npm run quickstart",
    "Elsewhere install Docker (https://docs.docker.com/engine/install/), start it",
    "(sudo systemctl start docker) and run the same command again.",
  ];
}

function hasDockerd() {
  const path = process.env["PATH"] ?? "";
  return path.split(":").some((dir) => dir !== "" && existsSync(join(dir, "dockerd")));
}

/** @param {DockerEngine} engine */
function describe(engine) {
  return `${engine.endpoint.address} (${engine.endpoint.origin})`;
}

/**
 * dockerd in a session of its own: it outlives us on purpose, because workspaces live on it.
 * @param {EngineContext} context
 */
async function startDockerd(context) {
  const { stateDir, undo, signal } = context;
  signal.throwIfAborted();
  await mkdir(stateDir, { recursive: true });
  const log = join(stateDir, "dockerd.log");
  const output = openSync(log, "w");
  const child = spawn("dockerd", [], { detached: true, stdio: ["ignore", output, output] });
  closeSync(output);
  let ended = false;
  child.once("error", () => (ended = true));
  child.once("exit", () => (ended = true));
  child.unref();
  undo.add("the engine it started", () => stopStartedEngine(stateDir));
  await writeFile(stateFile(stateDir), `${JSON.stringify({ pid: child.pid, log })}\n`);
  try {
    return await waitForEngine(context, () => !ended);
  } catch {
    signal.throwIfAborted();
    const text = await readFile(log, "utf8").catch(() => "");
    const tail = text.trimEnd().split("\n").slice(-15);
    throw new CommandError("dockerd", `did not start; its log is ${log}`, tail);
  }
}

/**
 * @param {EngineContext} context
 * @param {() => boolean} goOn
 */
async function waitForEngine(context, goOn) {
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    const found = await findEngine(context);
    if ("engine" in found) return found.engine;
    if (!goOn() || Date.now() > deadline) throw found.error;
    await sleep(200, undefined, { signal: context.signal });
  }
}

/** @param {string} stateDir */
function stateFile(stateDir) {
  return join(stateDir, "engine.json");
}

/**
 * True when the engine that an earlier run started still runs.
 * @param {string} stateDir
 */
export async function startedEngineRuns(stateDir) {
  return (await startedPid(stateDir)) !== undefined;
}

/**
 * Stops the engine that we started, and only that one; false when there is none.
 * @param {string} stateDir
 */
export async function stopStartedEngine(stateDir) {
  const pid = await startedPid(stateDir);
  if (pid !== undefined) {
    process.kill(pid, "SIGTERM");
    const deadline = Date.now() + STOP_LIMIT_MS;
    while ((await startedPid(stateDir)) !== undefined) {
      if (Date.now() > deadline) throw new Error(`dockerd (process ${pid}) does not stop`);
      await sleep(100);
    }
  }
  await rm(stateFile(stateDir), { force: true });
  return pid !== undefined;
}

/** @param {string} stateDir */
async function startedPid(stateDir) {
  try {
    const { pid } = JSON.parse(await readFile(stateFile(stateDir), "utf8"));
    // The number may belong to another process by now; a zombie is not running either.
    const [name, state] = await Promise.all([
      readFile(`/proc/${pid}/comm`, "utf8"),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ]);
    const running = name.trim() === "dockerd" && !/^\d+ \(dockerd\) Z/.test(state);
    return running ? /** @type {number} */ (pid) : undefined;
  } catch {
    return undefined;
  }
}
