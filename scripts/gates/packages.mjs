import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { findPnpm } from "../install.mjs";
import { messageOf, run } from "../process.mjs";
import { listPackages } from "../workspace.mjs";
import { USES } from "./package-uses.mjs";

const PARALLEL = 2;

/** @typedef {import("../workspace.mjs").WorkspacePackage & { tarball: string }} Packed */

/**
 * What a stranger gets: every public package is packed, its manifest and types are checked, and the
 * tarball alone is installed in an empty folder, imported by plain Node and used.
 * @param {string} root
 * @returns {Promise<string[]>}
 */
export async function check(root) {
  const scratch = await mkdtemp(join(tmpdir(), "molecule-packages-"));
  try {
    const pnpm = await findPnpm(root);
    const publicOnes = (await listPackages(root)).filter(({ manifest }) => !manifest["private"]);
    const packed = await inParallel(publicOnes, async (pkg) => ({
      ...pkg,
      tarball: await pack(pnpm, pkg, join(scratch, pkg.name.replace("/", "+"))),
    }));
    const findings = await inParallel(packed, async (pkg) => [
      ...(await manifestFaults(pkg)),
      ...(await typeFaults(root, pkg)),
      ...(await installFaults(pkg, packed, join(scratch, pkg.name.replace("/", "+"), "alone"))),
    ]);
    return findings.flat();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * @param {{ command: string, args: string[] }} pnpm
 * @param {import("../workspace.mjs").WorkspacePackage} pkg
 * @param {string} destination
 */
async function pack(pnpm, pkg, destination) {
  await mkdir(destination, { recursive: true });
  await run(pnpm.command, [...pnpm.args, "pack", "--pack-destination", destination], {
    cwd: pkg.dir,
  });
  const [tarball] = (await readdir(destination)).filter((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error(`pnpm pack made no tarball of ${pkg.name}`);
  return join(destination, tarball);
}

/** @param {Packed} pkg */
async function manifestFaults({ name, tarball }) {
  const bytes = await readFile(tarball);
  const result = await publint({
    strict: true,
    level: "warning",
    pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) },
  });
  const manifest = result.pkg ?? {};
  return result.messages.map(
    (message) => `${name}: publint: ${formatMessage(message, manifest, { color: false })}`,
  );
}

/**
 * @param {string} root
 * @param {Packed} pkg
 */
async function typeFaults(root, { name, manifest, tarball }) {
  // A program has nothing to import, so it has no types to be wrong.
  if (manifest["exports"]?.["."] === undefined) return [];
  const attw = join(root, "node_modules/.bin/attw");
  const options = [tarball, "--profile", "esm-only", "--format", "json"];
  const { code, stdout } = await run(attw, options, { anyExit: true });
  const { analysis, problems } = JSON.parse(stdout);
  // A package without any types is none of attw's problems.
  if (analysis.types === false) return [`${name}: attw: the tarball has no types`];
  return code === 0 ? [] : [`${name}: attw: ${JSON.stringify(problems)}`];
}

/**
 * @param {Packed} pkg
 * @param {Packed[]} all
 * @param {string} dir
 */
async function installFaults({ name, manifest, tarball }, all, dir) {
  await mkdir(dir);
  const others = all.filter((other) => other.name !== name);
  const consumer = {
    private: true,
    type: "module",
    dependencies: { [name]: `file:${tarball}` },
    // Our own dependencies are not on a registry yet; everything else comes from there.
    overrides: Object.fromEntries(others.map((other) => [other.name, `file:${other.tarball}`])),
  };
  await writeFile(join(dir, "package.json"), JSON.stringify(consumer));
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
  try {
    await run("npm", ["install", ...flags, "--loglevel=error"], { cwd: dir });
    if (manifest["bin"] === undefined) await useLibrary(name, dir);
    else await useProgram(name, manifest, dir);
    return [];
  } catch (error) {
    return [`${name}: alone: ${messageOf(error)}`];
  }
}

/**
 * @param {string} name
 * @param {string} dir
 */
async function useLibrary(name, dir) {
  const use = /** @type {Record<string, string>} */ (USES)[name];
  if (use === undefined) throw new Error("say how it is used in scripts/gates/package-uses.mjs");
  await writeFile(
    join(dir, "use.mjs"),
    `import assert from "node:assert/strict";\nimport * as api from ${JSON.stringify(name)};\n${use}\n`,
  );
  await run(process.execPath, ["use.mjs"], { cwd: dir });
}

/**
 * @param {string} name
 * @param {Record<string, any>} manifest
 * @param {string} dir
 */
async function useProgram(name, manifest, dir) {
  for (const bin of Object.keys(manifest["bin"])) {
    const program = join(dir, "node_modules/.bin", bin);
    if (name === "@molecule-ai/server") await useServer(program, dir);
    else {
      const { stdout: version } = await run(program, ["--version"], { cwd: dir });
      if (!version.includes(manifest["version"])) throw new Error(`--version printed ${version}`);
      const { stdout: help } = await run(program, ["--help"], { cwd: dir });
      if (!help.includes("up")) throw new Error(`--help printed ${help}`);
    }
  }
}

/**
 * @param {string} program
 * @param {string} dir
 */
async function useServer(program, dir) {
  const child = spawn(program, [], {
    cwd: dir,
    env: { ...process.env, HOST: "127.0.0.1", PORT: "0", LOG_LEVEL: "info" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  try {
    let output = "";
    for await (const chunk of child.stdout) {
      output += chunk;
      const url = /listening at (http:[^"\s]+)/.exec(output)?.[1];
      if (url === undefined) continue;
      const health = await fetch(`${url}/health`);
      if (health.status !== 200) throw new Error(`/health answered ${health.status}`);
      child.kill("SIGTERM");
      const [code] = await exit;
      if (code !== 0) throw new Error(`SIGTERM ended it with exit code ${code}`);
      return;
    }
    throw new Error(`it ended before it listened: ${output}`);
  } finally {
    child.kill("SIGKILL");
  }
}

/**
 * @template T, R
 * @param {T[]} items
 * @param {(item: T) => Promise<R>} work
 * @returns {Promise<R[]>}
 */
async function inParallel(items, work) {
  /** @type {R[]} */
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(/** @type {T} */ (items[index]));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return results;
}
