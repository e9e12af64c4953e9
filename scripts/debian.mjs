import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { run } from "./process.mjs";

/** True for root on Debian, Ubuntu or one of their children: where we may install packages. */
export async function mayInstallPackages() {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release);
}

/**
 * Those of `names` that are not installed.
 * @param {string[]} names
 * @param {AbortSignal} signal
 */
export async function missingPackages(names, signal) {
  const format = "-f=${db:Status-Abbrev}${Package}\n";
  const { stdout } = await run("dpkg-query", ["-W", format, ...names], { signal, anyExit: true });
  const installed = new Set(
    stdout.split("\n").flatMap((line) => (line.startsWith("ii ") ? [line.slice(3).trim()] : [])),
  );
  return names.filter((name) => !installed.has(name));
}

/**
 * Installs what is missing of `names`. An abort is heeded while packages are fetched; unpacking runs
 * to its end first, because dpkg cut in the middle leaves a broken system.
 * @param {string[]} names
 * @param {{ signal: AbortSignal, log: string }} options
 * @returns {Promise<string[]>} What was installed.
 */
export async function installPackages(names, { signal, log }) {
  const missing = await missingPackages(names, signal);
  if (missing.length === 0) return [];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = [
    "install",
    "--yes",
    "--no-install-recommends",
    "-o",
    "DPkg::Lock::Timeout=300",
    ...missing,
  ];
  await run("apt-get", ["update"], { signal, log, env });
  await run("apt-get", [...install, "--download-only"], { signal, log, env });
  await withoutCluster(() => run("apt-get", install, { signal, log, env, untilDone: true }));
  return missing;
}

/** Read by PostgreSQL's package as it is installed. */
const CLUSTER_RULE = "/etc/postgresql-common/createcluster.d/molecule.conf";

/**
 * PostgreSQL's package makes a database cluster and starts it, unless it is told not to: the tests
 * want only its programs.
 * @param {() => Promise<unknown>} install
 */
async function withoutCluster(install) {
  await mkdir(dirname(CLUSTER_RULE), { recursive: true });
  await writeFile(CLUSTER_RULE, "create_main_cluster = false\n");
  try {
    await install();
  } finally {
    await rm(CLUSTER_RULE, { force: true });
  }
}
