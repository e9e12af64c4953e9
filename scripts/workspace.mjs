import { readdir, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";

/**
 * @typedef {object} WorkspacePackage
 * @property {string} name
 * @property {string} dir Absolute.
 * @property {Record<string, any>} manifest
 */

/** Folders of packages; every other folder of the checkout may be one package. */
const FOLDERS = ["packages", "apps"];

/**
 * Every package of the workspace, in the order of its folder names.
 * @param {string} root
 * @returns {Promise<WorkspacePackage[]>}
 */
export async function listPackages(root) {
  const dirs = (await readdir(root)).map((entry) => join(root, entry));
  for (const folder of FOLDERS) {
    for (const entry of await readdir(join(root, folder))) dirs.push(join(root, folder, entry));
  }
  const packages = [];
  for (const dir of dirs.sort()) {
    const file = join(dir, "package.json");
    if (!existsSync(file)) continue;
    const manifest = JSON.parse(await readFile(file, "utf8"));
    packages.push({ name: manifest.name, dir, manifest });
  }
  return packages;
}

/**
 * Paths of the source files under `dir`, relative to `root`; dependencies and builds left out.
 * @param {string} root
 * @param {string} dir
 * @returns {Promise<string[]>}
 */
export async function listSources(root, dir) {
  if (!existsSync(dir)) return [];
  const files = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) {
      continue;
    }
    const path = join(dir, entry.name);
    if (entry.isDirectory()) files.push(...(await listSources(root, path)));
    else if (/\.(ts|mjs|js)$/.test(entry.name)) files.push(relative(root, path));
  }
  return files.sort();
}
