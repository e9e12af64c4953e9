import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./process.mjs";
import { unlessUnchanged } from "./stamp.mjs";
import { listPackages, listSources } from "./workspace.mjs";

const STAMP = "node_modules/.molecule-install";
const BUILD_STAMP = "node_modules/.molecule-build";
const PROGRAM = ["apps/cli", "apps/server", "packages/testkit"];

/**
 * How to call pnpm: the one on PATH when its major is ours, else the exact version through npx.
 * @param {string} root
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ command: string, args: string[] }>}
 */
export async function findPnpm(root, signal) {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const version = String(manifest.packageManager).replace(/^pnpm@/, "");
  try {
    const { stdout } = await run("pnpm", ["--version"], { cwd: root, ...(signal && { signal }) });
    if (stdout.trim().split(".")[0] === version.split(".")[0]) return { command: "pnpm", args: [] };
  } catch {
    signal?.throwIfAborted();
  }
  return { command: "npx", args: ["--yes", `pnpm@${version}`] };
}

/**
 * Installs exactly the lockfile; nothing when that was done already.
 * @param {string} root
 * @param {{ signal: AbortSignal, log: string }} options
 */
export async function installDependencies(root, { signal, log }) {
  const manifests = (await listPackages(root)).map(({ dir }) => join(dir, "package.json"));
  const inputs = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"].map((file) =>
    join(root, file),
  );
  const what = { stamp: join(root, STAMP), inputs: [...inputs, ...manifests] };
  const installed = await unlessUnchanged(what, async () => {
    const pnpm = await findPnpm(root, signal);
    await run(pnpm.command, [...pnpm.args, "install", "--frozen-lockfile"], {
      cwd: root,
      env: { CI: "true" },
      signal,
      log,
    });
  });
  return installed ? "installed" : "up to date";
}

/**
 * Builds the program, the server and what serves them templates; nothing when no source changed since.
 * @param {string} root
 * @param {{ signal: AbortSignal, log: string }} options
 */
export async function buildProgram(root, { signal, log }) {
  const inputs = ["tsconfig.base.json", "tsup.shared.ts", "pnpm-lock.yaml"].map((file) =>
    join(root, file),
  );
  for (const { dir } of await listPackages(root)) {
    inputs.push(join(dir, "package.json"));
    for (const file of await listSources(root, join(dir, "src"))) inputs.push(join(root, file));
  }
  const outputs = PROGRAM.map((dir) => join(root, dir, "dist"));
  const what = { stamp: join(root, BUILD_STAMP), inputs, outputs };
  const built = await unlessUnchanged(what, () =>
    runTurbo(root, ["build", ...PROGRAM.map((dir) => `--filter=./${dir}`)], { signal, log }),
  );
  return built ? "built" : "unchanged";
}

/**
 * Runs tasks of the one graph; what has not changed comes from the cache.
 * @param {string} root
 * @param {string[]} args
 * @param {import("./process.mjs").RunOptions} options
 */
export async function runTurbo(root, args, options) {
  const pnpm = await findPnpm(root, options.signal);
  return run(pnpm.command, [...pnpm.args, "exec", "turbo", "run", ...args], {
    ...options,
    cwd: root,
    env: { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", ...options.env },
  });
}
