// Everything CI runs: `npm test`. Starts from a fresh clone with nothing but Node, npm and git, and
// ends with one line `N passed, N failed`.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBaseImage } from "./base-image.mjs";
import { installPackages, mayInstallPackages } from "./debian.mjs";
import { ensureEngine } from "./engine.mjs";
import { installDependencies, runTurbo } from "./install.mjs";
import { leftovers, listOurs } from "./leftovers.mjs";
import { requireNode } from "./node-floor.mjs";
import { messageOf } from "./process.mjs";
import { readTurboSummary, rowsOf, table, totals, VITEST_REPORT } from "./report.mjs";
import { interruptible, Interrupted } from "./signals.mjs";
import { ensureTestPrograms } from "./test-programs.mjs";
import { createUndo } from "./undo.mjs";
import { listPackages } from "./workspace.mjs";

/** @typedef {import("@molecule-ai/docker-engine").DockerEngine} DockerEngine */

/** What the tests use of Debian beside an engine. */
const DEBIAN_PACKAGES = [
  "apache2-utils",
  "busybox-static",
  "docker-registry",
  "fish",
  "git",
  "iproute2",
  "openssl",
  "postgresql",
  "python3",
  "zsh",
];
/** What a test may not skip for want of, where we may install it. */
const REQUIRED = ["git", "registry", "postgres", "openssl", "engine"];
const GATES = ["lint", "format", "knip", "engines", "arrows", "mocks", "packages"];
const TASKS = ["build", "typecheck", ...GATES, "test"];
/** One is the server's for most of the time: turbo.json has the tests of the others begin behind it. */
const TASKS_AT_ONCE = 2;
const FLAGS = [
  `--concurrency=${TASKS_AT_ONCE}`,
  "--continue=dependencies-successful",
  "--summarize",
];
/** Of each test task. More than there are cores for only makes everything wait, and time limits run out. */
const WORKERS = Math.max(1, Math.floor(availableParallelism() / TASKS_AT_ONCE));

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} text */
const say = (text) => console.log(text);

requireNode(process.version);
const { signal, release } = interruptible(say);
const undo = createUndo(say);
const stateDir = await mkdtemp(join(tmpdir(), "molecule-npm-test-"));
const log = join(stateDir, "bootstrap.log");
const skipLog = join(stateDir, "skips.log");
/**
 * What failed outside the graph, one line each.
 * @type {string[]}
 */
const faults = [];

try {
  await testEverything();
} catch (error) {
  await undo.run();
  if (error instanceof Interrupted) process.exitCode = error.exitCode;
  else {
    say(`\n${messageOf(error)}\n\n0 passed, 1 failed`);
    process.exitCode = 1;
  }
} finally {
  await rm(stateDir, { recursive: true, force: true });
  release();
}

async function testEverything() {
  say("installing dependencies …");
  await installDependencies(root, { signal, log });
  const mayInstall = await mayInstallPackages();
  const engine = await prepare(mayInstall);
  const programs = mayInstall ? await preparePrograms() : { required: [], env: {} };
  const before = engine === undefined ? [] : await listOurs(engine, signal);
  const required = mayInstall ? [...REQUIRED, ...programs.required] : [];
  const summary = await runGraph(required, programs.env);
  if (engine !== undefined) {
    await removeLeftovers(engine, before);
    await engine[Symbol.asyncDispose]();
  }
  // The last line is the verdict, so what the clean-up says comes before it.
  await undo.run();
  await report(summary);
}

/**
 * The engine and what else the tests use. Where we may install things their absence is a fault;
 * elsewhere the tests that need them skip and say why.
 * @param {boolean} mayInstall
 * @returns {Promise<DockerEngine | undefined>}
 */
async function prepare(mayInstall) {
  try {
    if (mayInstall) {
      const installed = await installPackages(DEBIAN_PACKAGES, { signal, log });
      if (installed.length > 0) say(`installed ${installed.join(" ")}`);
    }
    await runTurbo(root, ["build", "--filter=@molecule-ai/docker-engine"], { signal, log });
    const { engine, outcome } = await ensureEngine({ root, stateDir, signal, log, undo });
    say(`engine ${outcome}`);
    say(`base image ${await ensureBaseImage({ engine, signal, log })}`);
    return engine;
  } catch (error) {
    signal.throwIfAborted();
    const reason = messageOf(error);
    say(reason);
    if (mayInstall) faults.push(`preparing the machine: ${reason.split("\n")[0]}`);
    return undefined;
  }
}

/**
 * The programs that not every Debian has.
 * @returns {Promise<{ required: string[], env: Record<string, string> }>}
 */
async function preparePrograms() {
  try {
    const { outcome, ...found } = await ensureTestPrograms({ signal, log });
    say(`buildx and cosign ${outcome}`);
    return found;
  } catch (error) {
    signal.throwIfAborted();
    say(messageOf(error));
    faults.push(`buildx and cosign: ${messageOf(error).split("\n")[0]}`);
    return { required: [], env: {} };
  }
}

/**
 * @param {string[]} required What a test may not skip for want of.
 * @param {Record<string, string>} env
 */
async function runGraph(required, env) {
  await rm(join(root, ".turbo/runs"), { recursive: true, force: true });
  for (const { dir } of await listPackages(root)) {
    await rm(join(dir, VITEST_REPORT), { force: true });
  }
  await runTurbo(root, [...TASKS, ...FLAGS, "--log-order=grouped"], {
    signal,
    output: "inherit",
    anyExit: true,
    env: {
      ...env,
      MOLECULE_TEST_SKIP_LOG: skipLog,
      MOLECULE_TEST_REQUIRE: required.join(","),
      VITEST_MAX_WORKERS: String(WORKERS),
    },
  });
  const summary = await readTurboSummary(root);
  if (summary === undefined) throw new Error("turbo left no summary: the graph did not run");
  return summary;
}

/**
 * @param {DockerEngine} engine
 * @param {import("./leftovers.mjs").Resource[]} before
 */
async function removeLeftovers(engine, before) {
  const { shared, left } = leftovers(before, await listOurs(engine, signal));
  for (const { kind, name } of left) faults.push(`left on the engine: ${kind} ${name}`);
  for (const { name } of shared)
    await engine.images.remove(name.split(", ")[0] ?? name, { signal });
}

/** @param {{ tasks: any[] }} summary */
async function report(summary) {
  const { tests, gates } = await rowsOf(summary, async (task) => {
    const file = join(root, task.directory, VITEST_REPORT);
    return existsSync(file) ? JSON.parse(await readFile(file, "utf8")) : undefined;
  });
  const all = [...tests, ...gates];
  const sum = totals(all);
  const skipReasons = existsSync(skipLog)
    ? (await readFile(skipLog, "utf8")).trim().split("\n")
    : [];

  say(`\n${table("tests", tests)}\n\n${table("gates", gates)}\n`);
  if (sum.skipped > 0) say(`${sum.skipped} tests skipped`);
  for (const reason of new Set(skipReasons)) say(`  skipped: ${reason}`);
  for (const line of [...all.flatMap(({ failures }) => failures), ...faults]) say(`FAILED ${line}`);
  const failed = sum.failed + faults.length;
  say(`\n${sum.passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
