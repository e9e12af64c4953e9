import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installPackages } from "./debian.mjs";
import { sourcesOf } from "./debian-sources.mjs";
import { run } from "./process.mjs";

/** The first release of Debian that has them all. */
const RELEASE = "trixie";

/**
 * @typedef {object} Program
 * @property {string} what As `MOLECULE_TEST_REQUIRE` calls it.
 * @property {string} variable What tells the tests where it is.
 * @property {string} debianPackage
 * @property {string} path Where the package has it.
 */

/** @type {Program[]} */
const PROGRAMS = [
  {
    what: "buildx",
    variable: "MOLECULE_TEST_BUILDX",
    debianPackage: "docker-buildx",
    path: "usr/libexec/docker/cli-plugins/docker-buildx",
  },
  {
    what: "cosign",
    variable: "MOLECULE_TEST_COSIGN",
    debianPackage: "cosign",
    path: "usr/bin/cosign",
  },
];

/**
 * Makes sure the programs are there that not every release of Debian has: as they are, else the
 * package of this release, else unpacked from a later one beside the system, which stays as it is.
 * `env` tells the tests where they are, `required` what no test may skip for want of: on a child of
 * Debian, whose mirrors have no other release, that can be nothing.
 * @param {{ signal: AbortSignal, log: string }} options
 * @returns {Promise<{ env: Record<string, string>, required: string[], outcome: string }>}
 */
export async function ensureTestPrograms({ signal, log }) {
  const unpacked = unpackedDirectory();
  const missing = PROGRAMS.filter((program) => placeOf(program, unpacked) === undefined);
  const offered = await offeredPackages(missing, signal);
  await installPackages(offered, { signal, log });
  let outcome = offered.length > 0 ? "installed" : "present";
  if (missing.some((program) => placeOf(program, unpacked) === undefined)) {
    const sources = await sourcesFor(RELEASE);
    if (sources === undefined) outcome = `not all there: no mirror here has Debian ${RELEASE}`;
    else {
      await unpackFrom(sources, unpacked, { signal, log });
      outcome = `unpacked from Debian ${RELEASE}`;
    }
  }
  /** @type {Record<string, string>} */
  const env = {};
  const required = [];
  for (const program of PROGRAMS) {
    const file = placeOf(program, unpacked);
    if (file === undefined) continue;
    await run(file, ["version"], { signal, log });
    env[program.variable] = file;
    required.push(program.what);
  }
  return { env, required, outcome };
}

/**
 * @param {Program} program
 * @param {string} unpacked
 */
function placeOf({ path }, unpacked) {
  return ["/", unpacked].map((root) => join(root, path)).find((file) => existsSync(file));
}

/** Where the testkit looks for them too. */
function unpackedDirectory() {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(cache, "molecule-test-programs");
}

/**
 * The packages that this release of Debian has.
 * @param {Program[]} programs
 * @param {AbortSignal} signal
 */
async function offeredPackages(programs, signal) {
  const names = programs.map(({ debianPackage }) => debianPackage);
  if (names.length === 0) return [];
  const { stdout } = await run("apt-cache", ["policy", ...names], { signal });
  return names.filter((name) => new RegExp(`^${name}:\\n.*\\n  Candidate: \\d`, "m").test(stdout));
}

/**
 * Fetches the packages with lists of their own, so that apt goes on seeing only its own release.
 * @param {string} sources
 * @param {string} target Replaced as a whole, so that it is never half there.
 * @param {{ signal: AbortSignal, log: string }} options
 */
async function unpackFrom(sources, target, { signal, log }) {
  const work = await mkdtemp(join(tmpdir(), "molecule-apt-"));
  await mkdir(dirname(target), { recursive: true });
  const staging = await mkdtemp(`${target}-`);
  try {
    const lists = join(work, "lists");
    const debs = join(work, "debs");
    for (const dir of [lists, debs]) await mkdir(join(dir, "partial"), { recursive: true });
    await writeFile(join(work, "debian.sources"), sources);
    const apart = [
      `Dir::Etc::sourcelist=${join(work, "debian.sources")}`,
      "Dir::Etc::sourceparts=/dev/null",
      `Dir::State::lists=${lists}`,
      `Dir::Cache=${work}`,
      // Nobody else may read the directory.
      "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
    const names = PROGRAMS.map(({ debianPackage }) => debianPackage);
    await run("apt-get", [...apart, "update"], { signal, log });
    await run("apt-get", [...apart, "download", ...names], { signal, log, cwd: debs });
    for (const file of await readdir(debs)) {
      if (file.endsWith(".deb"))
        await run("dpkg", ["-x", join(debs, file), staging], { signal, log });
    }
    await rm(target, { recursive: true, force: true });
    await rename(staging, target);
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(work, { recursive: true, force: true });
  }
}

/** @param {string} release */
async function sourcesFor(release) {
  const osRelease = await readFile("/etc/os-release", "utf8");
  const own = /^VERSION_CODENAME="?([a-z]+)/m.exec(osRelease)?.[1] ?? "";
  if (!/^ID="?debian"?$/m.test(osRelease)) return undefined;
  const parts = await readdir("/etc/apt/sources.list.d").catch(() => []);
  const names = ["sources.list", ...parts.map((name) => join("sources.list.d", name))];
  const files = [];
  for (const name of names.filter((each) => /\.(list|sources)$/.test(each))) {
    const text = await readFile(join("/etc/apt", name), "utf8").catch(() => "");
    files.push({ name, text });
  }
  return sourcesOf(files, own, release);
}
