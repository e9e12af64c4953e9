import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./process.mjs";
import { listPackages } from "./workspace.mjs";

const STAMP = "node_modules/.molecule-install";

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
 * Installs exactly the lockfile. A stamp, written last, lets an unchanged checkout skip it; an
 * install that was cut short has no stamp and is completed the next time.
 * @param {string} root
 * @param {{ signal: AbortSignal, log: string }} options
 * @returns {Promise<"installed" | "up to date">}
 */
export async function installDependencies(root, { signal, log }) {
  const stamp = join(root, STAMP);
  const digest = await inputsDigest(root);
  if (existsSync(stamp) && (await readFile(stamp, "utf8")) === digest) return "up to date";
  await rm(stamp, { force: true });
  const pnpm = await findPnpm(root, signal);
  await run(pnpm.command, [...pnpm.args, "install", "--frozen-lockfile"], {
    cwd: root,
    env: { CI: "true" },
    signal,
    log,
  });
  await writeFile(stamp, digest);
  return "installed";
}

/** @param {string} root */
async function inputsDigest(root) {
  const hash = createHash("sha256");
  const manifests = (await listPackages(root)).map(({ dir }) => join(dir, "package.json"));
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"]) {
    manifests.push(join(root, file));
  }
  for (const file of manifests) hash.update(await readFile(file)).update("\0");
  return hash.digest("hex");
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
