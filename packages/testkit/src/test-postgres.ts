import { randomBytes } from "node:crypto";
import { access, chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { skipOrThrow } from "./skip.js";

export type FoundTestPostgres =
  | { readonly directory: string; readonly skip: undefined }
  | { readonly directory: undefined; readonly skip: string };

/** A PostgreSQL of its own; disposing stops it and removes all of it. */
export interface TestPostgres extends AsyncDisposable {
  /** Makes an empty database. The URL has all it takes to connect, over a unix socket. */
  createDatabase(): Promise<string>;
}

const PROGRAMS = ["initdb", "postgres", "createdb"];
const DEBIAN_ROOT = "/usr/lib/postgresql";
/** On every Linux; PostgreSQL refuses to run as root. */
const NOBODY = 65_534;
const USER = "molecule";
const START_MS = 60_000;

/**
 * The directory of the programs of PostgreSQL: where Debian keeps them, else on PATH. `skip` says
 * what is missing; with `postgres` in `MOLECULE_TEST_REQUIRE` it throws instead.
 */
export async function findTestPostgres(): Promise<FoundTestPostgres> {
  const path = (process.env["PATH"] ?? "").split(":").filter((directory) => directory !== "");
  for (const directory of [...(await debianDirectories()), ...path]) {
    const found = await Promise.all(PROGRAMS.map((name) => isExecutable(join(directory, name))));
    if (found.every(Boolean)) return { directory, skip: undefined };
  }
  const skip = skipOrThrow(
    "postgres",
    `no ${PROGRAMS.join(", ")} in one directory on PATH (on Debian: apt-get install postgresql)`,
  );
  return { directory: undefined, skip };
}

/**
 * Starts a PostgreSQL on a temporary directory and a socket in there, without a TCP port and without
 * fsync; as `nobody` when this process is root. It ends with this process, however that ends.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const found = await findTestPostgres();
  if (found.skip !== undefined) throw new Error(found.skip);
  const root = await mkdtemp(join(tmpdir(), "molecule-pg-"));
  let server: Running | undefined;
  const stop = async (): Promise<void> => {
    // At once: nothing in it is worth a checkpoint.
    server?.kill("SIGQUIT");
    await server?.ended;
    await rm(root, { recursive: true, force: true });
  };
  try {
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(root, NOBODY, NOBODY);
    const data = join(root, "data");
    const [initdb, ...initdbArgs] = await unprivileged(isRoot, [
      join(found.directory, "initdb"),
      `--pgdata=${data}`,
      `--username=${USER}`,
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ]);
    await execa(initdb, initdbArgs, { cwd: root });
    const [postgres, ...postgresArgs] = await unprivileged(isRoot, [
      join(found.directory, "postgres"),
      `-D${data}`,
      `-k${root}`,
      "--listen_addresses=",
      "--fsync=off",
      "--synchronous_commit=off",
      "--full_page_writes=off",
    ]);
    server = run(postgres, postgresArgs, root);
    const createDatabase = async (name: string): Promise<void> => {
      const args = ["--host", root, "--username", USER, name];
      await execa(join(found.directory, "createdb"), args, { cwd: root });
    };
    await firstSuccess(() => createDatabase("ready"), server);
    return {
      async createDatabase() {
        const name = `test_${randomBytes(6).toString("hex")}`;
        await createDatabase(name);
        return `postgres://${USER}@localhost/${name}?host=${encodeURIComponent(root)}`;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Running {
  /** With what it wrote. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

function run(program: string, args: readonly string[], cwd: string): Running {
  const child = execa(program, args, { cwd, reject: false, all: true });
  return { ended: child.then(({ all }) => all), kill: (signal) => void child.kill(signal) };
}

/** The command as one that root may run, and that dies with us, where the system can do that. */
async function unprivileged(
  isRoot: boolean,
  command: readonly [string, ...string[]],
): Promise<readonly [string, ...string[]]> {
  if (!(await isExecutable("/usr/bin/setpriv"))) return command;
  const identity = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  return ["/usr/bin/setpriv", ...(isRoot ? identity : []), "--pdeathsig=SIGKILL", ...command];
}

async function firstSuccess(attempt: () => Promise<void>, { ended }: Running): Promise<void> {
  let output: string | undefined;
  void ended.then((written) => {
    output = written;
  });
  for (const startedAt = performance.now(); ; await sleep(50)) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (output !== undefined) throw new Error(`postgres ended: ${output}`, { cause: error });
      if (performance.now() - startedAt > START_MS) throw error;
    }
  }
}

/** Newest first. */
async function debianDirectories(): Promise<string[]> {
  const versions = await readdir(DEBIAN_ROOT).catch(() => []);
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN_ROOT, version, "bin"));
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, 1).then(
    () => true,
    () => false,
  );
}
