import { readFile } from "node:fs/promises";
import { join } from "node:path";
import semver from "semver";
import { parse } from "yaml";
import { NODE_FLOOR } from "../node-floor.mjs";
import { listPackages } from "../workspace.mjs";

/**
 * An install on a newer Node says nothing about the floor, so the lockfile is held against it.
 * @param {string} root
 */
export async function check(root) {
  const findings = refusals(await readFile(join(root, "pnpm-lock.yaml"), "utf8"));
  for (const { name, manifest } of await listPackages(root)) {
    const range = manifest.engines?.node;
    if (!manifest.private && range !== `>=${NODE_FLOOR}`) {
      findings.push(`${name} declares engines.node ${range}, not >=${NODE_FLOOR}`);
    }
  }
  return findings;
}

/**
 * Packages of a lockfile that refuse the floor, or whose range cannot be read.
 * @param {string} lockfile
 * @returns {string[]}
 */
export function refusals(lockfile) {
  const packages = parse(lockfile)?.packages;
  if (packages === undefined || packages === null || Object.keys(packages).length === 0) {
    return ["the lockfile lists no packages"];
  }
  const findings = [];
  for (const [id, entry] of Object.entries(packages)) {
    const range = entry?.engines?.node;
    if (range === undefined) continue;
    if (semver.validRange(range) === null) {
      findings.push(`${id} has an engines.node that is no range: ${range}`);
    } else if (!semver.satisfies(NODE_FLOOR, range)) {
      findings.push(`${id} wants Node ${range}, which refuses ${NODE_FLOOR}`);
    }
  }
  return findings;
}
