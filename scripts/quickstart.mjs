// From a fresh clone to an agent that answers: `npm run quickstart`. `-- --stop` ends what it left
// running.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBaseImage } from "./base-image.mjs";
import { cliPath, runCli } from "./cli.mjs";
import {
  controlPlaneFiles,
  runningControlPlane,
  startControlPlane,
  stopControlPlane,
} from "./control-plane.mjs";
import { ensureEngine, startedEngineRuns, stopStartedEngine } from "./engine.mjs";
import { buildProgram, installDependencies } from "./install.mjs";
import { requireNode } from "./node-floor.mjs";
import { messageOf } from "./process.mjs";
import { interruptible, Interrupted } from "./signals.mjs";
import { createStages, formatSeconds } from "./stages.mjs";
import { startTemplateServer } from "./template-server.mjs";
import { createUndo } from "./undo.mjs";

const WORKSPACE = "quickstart";
const RUNTIME = "hello";
const QUESTION = "Are you there?";
const ANSWER_LIMIT_MS = 30_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stateDir = join(root, ".quickstart");
const log = join(stateDir, "quickstart.log");
const stages = createStages(process.stdout);
const undo = createUndo(stages.say);

/** @typedef {{ readonly url: string, readonly tokenFile: string }} ControlPlane */

/**
 * Set once the workspace is up: from then on an interrupt leaves it running.
 * @type {string | undefined}
 */
let url;

requireNode(process.version);
const { signal, release } = interruptible(stages.say);
try {
  const [flag, ...rest] = process.argv.slice(2);
  if (flag === "--stop" && rest.length === 0) await stop();
  else if (flag === undefined) await start();
  else {
    stages.say("Usage: npm run quickstart [-- --stop]");
    process.exitCode = 2;
  }
} catch (error) {
  await undo.run();
  if (error instanceof Interrupted) {
    process.exitCode = error.exitCode;
    stages.say(
      url === undefined
        ? "Nothing half-made is left; the same command goes on from here."
        : `The workspace is whole and runs at ${url}; npm run quickstart -- --stop ends it.`,
    );
  } else {
    stages.say(`\n${messageOf(error)}\n`);
    if (existsSync(log)) stages.say(`Everything that was printed on the way: ${log}`);
    process.exitCode = 1;
  }
} finally {
  release();
}

async function start() {
  await mkdir(stateDir, { recursive: true });
  await rm(log, { force: true });
  stages.say("");
  await stages.run("dependencies", async () => {
    const outcome = await installDependencies(root, { signal, log });
    return { outcome, value: undefined };
  });
  await stages.run("build", async () => {
    const outcome = await buildProgram(root, { signal, log });
    return { outcome, value: undefined };
  });
  const engine = await stages.run("engine", async () => {
    const { engine: value, outcome } = await ensureEngine({ root, stateDir, signal, log, undo });
    return { outcome, value };
  });
  await stages.run("base image", async () => {
    const outcome = await ensureBaseImage({ engine, signal, log });
    return { outcome, value: undefined };
  });
  await engine[Symbol.asyncDispose]();
  const templates = await stages.run("template server", async () => {
    const value = await startTemplateServer(root);
    undo.add("the template server", value.close);
    return { outcome: value.origin, value };
  });
  const server = await stages.run("server", async () => {
    const value = await startControlPlane({
      root,
      stateDir,
      signal,
      env: {
        MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: templates.repositoryPrefix,
        MOLECULE_EXTRA_RUNTIMES: templates.runtimes.join(","),
        // What a person has set for templates of their own must not reach the embedded server.
        MOLECULE_GITEA_TOKEN: undefined,
        MOLECULE_IMAGE_REGISTRY: undefined,
      },
    });
    if (value.stop !== undefined) undo.add("the server", value.stop);
    return { outcome: value.outcome, value };
  });
  const workspace = await stages.run("workspace", (detail) => provision(server, detail));
  // From here on the workspace is whole, and with it the server and the engine it runs on.
  undo.keep();
  url = workspace["url"];
  await templates.close();
  const answer = await stages.run("question", () => ask(workspace["url"]));
  stages.say(await summary(workspace, server, answer));
}

/**
 * Brings the workspace up through the server, with the real program; one that an earlier run left is
 * followed up to the newest template beside the old one, which is then swapped out.
 * @param {ControlPlane} server
 * @param {(text: string) => void} detail
 */
async function provision(server, detail) {
  const env = serverEnv(server);
  const id = await findWorkspace(env);
  const args =
    id === undefined ? ["up", RUNTIME, "--name", WORKSPACE] : ["restart", id, "--upgrade"];
  const value = await runCli(root, args, {
    signal,
    log,
    env,
    onEvent(event) {
      if (event["type"] === "stage.started") detail(`${event["stage"]}: ${event["subject"]}`);
      if (event["type"] === "build.vertex") detail(`build: ${event["name"]}`);
      if (event["type"] === "undone") stages.say(`undone: ${event["what"]}`);
    },
  });
  const image = value["image"].outcome === "present" ? "cache hit" : value["image"].outcome;
  return { outcome: `${id === undefined ? "started" : "replaced"}, image ${image}`, value };
}

/**
 * Where the program finds the server, and its token.
 * @param {ControlPlane} server
 */
function serverEnv({ url, tokenFile }) {
  return { MOLECULE_URL: url, MOLECULE_TOKEN_FILE: tokenFile };
}

/**
 * @param {Record<string, string>} env
 * @returns {Promise<string | undefined>} The id of the workspace an earlier run left.
 */
async function findWorkspace(env) {
  const { workspaces } = await runCli(root, ["ls"], { signal, log, env });
  const found = workspaces.find((/** @type {{ name: string }} */ { name }) => name === WORKSPACE);
  return found?.id;
}

/** @param {string} url */
async function ask(url) {
  const message = {
    kind: "message",
    role: "user",
    messageId: "quickstart-1",
    parts: [{ kind: "text", text: QUESTION }],
  };
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "message/send", params: { message } }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]),
  }).catch((error) => {
    signal.throwIfAborted();
    throw error;
  });
  const { result, error } = /** @type {any} */ (await response.json());
  const text = result?.parts?.[0]?.text;
  if (typeof text !== "string") {
    throw new Error(`The agent gave no answer: ${JSON.stringify(error ?? result)}`);
  }
  return { outcome: "answered", value: text };
}

/**
 * @param {Record<string, any>} workspace
 * @param {ControlPlane} server
 * @param {string} answer
 */
async function summary(workspace, server, answer) {
  const program = `node ${relative(process.cwd(), cliPath(root))}`;
  const tokenFile = relative(process.cwd(), server.tokenFile);
  const timings = workspace["timings"]
    .map((/** @type {any} */ { stage, durationMs }) => `${stage} ${formatSeconds(durationMs)}`)
    .join(", ");
  const lines = [
    "",
    `  you     ${QUESTION}`,
    `  agent   ${answer}`,
    "",
    `  url     ${workspace["url"]}`,
    `  server  ${server.url}   its routes: ${server.url}/docs`,
    `  stages  ${timings}`,
    `  total   ${stages.total()}`,
    "",
    `  use it  export MOLECULE_URL=${server.url} MOLECULE_TOKEN_FILE=$PWD/${tokenFile}`,
    `  look    ${program} ls`,
    `  logs    ${program} logs -f ${WORKSPACE}`,
    `  stop    npm run quickstart -- --stop   removes the workspace and ends the server`,
  ];
  if (await startedEngineRuns(stateDir)) {
    lines.push("          and the engine that was started");
  }
  return lines.join("\n");
}

/** Removes the workspace, and ends the server and the engine that an earlier run started. */
async function stop() {
  await mkdir(stateDir, { recursive: true });
  await stages.run("workspace", async () => {
    const server = await leftControlPlane();
    if (server === undefined) return { outcome: "there was none", value: undefined };
    const env = serverEnv(server);
    const id = await findWorkspace(env);
    if (id !== undefined) await runCli(root, ["rm", id], { signal, log, env });
    return { outcome: id === undefined ? "there was none" : "removed", value: undefined };
  });
  await stages.run("server", async () => {
    const stopped = await stopControlPlane(stateDir);
    await rm(controlPlaneFiles(stateDir).dir, { recursive: true, force: true });
    return { outcome: stopped ? "stopped" : "there was none", value: undefined };
  });
  await stages.run("engine", async () => {
    const stopped = await stopStartedEngine(stateDir);
    return { outcome: stopped ? "stopped" : "not ours: left as it is", value: undefined };
  });
}

/** The server of an earlier run; one that has died is started again, because only it knows its workspace. */
async function leftControlPlane() {
  const running = await runningControlPlane(stateDir);
  if (running !== undefined || !existsSync(controlPlaneFiles(stateDir).state)) return running;
  return startControlPlane({ root, stateDir, signal, env: {} });
}
