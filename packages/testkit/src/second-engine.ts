import { randomBytes, randomInt } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { callEngine } from "./engine-call.js";
import { skipOrThrow } from "./skip.js";
import { findOnPath } from "./test-programs.js";

/** A Docker engine of its own beside the machine's; disposing kills it and removes all of it. */
export interface SecondEngine extends AsyncDisposable {
  readonly socketPath: string;
  readonly dockerHost: string;
  /** Where its images and its build cache are. */
  readonly dataRoot: string;
  /** Ends it at once with everything it runs, as a machine does that loses its power. */
  kill(): Promise<void>;
}

export interface SecondEngineOptions {
  /** Keeps all of its data on a file system of that size: for a disk that is really full. */
  readonly sizeMb?: number | undefined;
}

export type FoundSecondEngine =
  | { readonly programs: EnginePrograms; readonly skip: undefined }
  | { readonly programs: undefined; readonly skip: string };

const PROGRAMS = ["dockerd", "ip", "mount", "umount"] as const;
/** Where each of them is. */
export type EnginePrograms = Readonly<Record<(typeof PROGRAMS)[number], string>>;

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const START_MS = 60_000;

/**
 * Whether a second engine can run here: as root with the rights of a real machine, dockerd and ip on
 * PATH. With `second-engine` in `MOLECULE_TEST_REQUIRE` it throws where it cannot.
 */
export async function findSecondEngine(): Promise<FoundSecondEngine> {
  const refuse = (reason: string): FoundSecondEngine => {
    const skip = skipOrThrow("second-engine", `no second Docker engine: ${reason}`);
    return { programs: undefined, skip };
  };
  if (process.getuid?.() !== 0 || !(await hasCapabilities())) {
    return refuse("only root may start an engine");
  }
  const programs: Partial<Record<keyof EnginePrograms, string>> = {};
  for (const name of PROGRAMS) {
    const file = await findOnPath(name);
    if (file === undefined) return refuse(`no ${name} on PATH (on Debian: docker.io, iproute2)`);
    programs[name] = file;
  }
  return { programs: programs as EnginePrograms, skip: undefined };
}

/**
 * Starts dockerd on a temporary directory with a containerd, a bridge and a socket of its own; it
 * changes no firewall rule. It ends with its process.
 */
export async function startSecondEngine(options: SecondEngineOptions = {}): Promise<SecondEngine> {
  const { programs, skip } = await findSecondEngine();
  if (programs === undefined) throw new Error(skip);
  const root = await mkdtemp(join(tmpdir(), "molecule-engine-"));
  const bridge = `mt${randomBytes(5).toString("hex")}`;
  const dataRoot = join(root, "data");
  const socketPath = join(root, "docker.sock");
  let server: Running | undefined;
  const removeAll = async (): Promise<void> => {
    await unmountBelow(root, programs.umount);
    await execa(programs.ip, ["link", "delete", bridge], { reject: false });
    await removeCgroups(bridge);
    await rm(root, { recursive: true, force: true });
  };
  const stop = async (): Promise<void> => {
    // Nothing in it is worth an orderly end.
    await server?.kill();
    await removeAll();
  };
  try {
    await mkdir(dataRoot);
    if (options.sizeMb !== undefined) {
      await execa(programs.mount, [
        "-t",
        "tmpfs",
        "-o",
        `size=${options.sizeMb}m`,
        "molecule",
        dataRoot,
      ]);
    }
    await addBridge(programs.ip, bridge);
    server = await run(programs.dockerd, { root, dataRoot, socketPath, bridge });
    await firstAnswer(socketPath, server);
    return {
      socketPath,
      dockerHost: `unix://${socketPath}`,
      dataRoot,
      kill: server.kill,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function hasCapabilities(): Promise<boolean> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return [CAP_NET_ADMIN, CAP_SYS_ADMIN].every((bit) => ((effective >> bit) & 1n) === 1n);
}

/** In the range for benchmarks, which no real network has. */
async function addBridge(ip: string, name: string): Promise<void> {
  await execa(ip, ["link", "add", name, "type", "bridge"]);
  const network = `198.${randomInt(18, 20)}.${randomInt(256)}`;
  await execa(ip, ["address", "add", `${network}.1/24`, "dev", name]);
  await execa(ip, ["link", "set", name, "up"]);
}

interface Running {
  /** With what it wrote. */
  readonly ended: Promise<string>;
  readonly kill: () => Promise<void>;
}

interface Place {
  readonly root: string;
  readonly dataRoot: string;
  readonly socketPath: string;
  readonly bridge: string;
}

async function run(dockerd: string, place: Place): Promise<Running> {
  const runRoot = join(place.root, "run");
  // Not that of the machine's own engine.
  const config = join(place.root, "daemon.json");
  await writeFile(config, "{}\n");
  const [program, ...args] = await dyingWithUs([
    dockerd,
    `--host=unix://${place.socketPath}`,
    `--data-root=${place.dataRoot}`,
    `--exec-root=${runRoot}`,
    `--pidfile=${join(place.root, "docker.pid")}`,
    `--bridge=${place.bridge}`,
    // Of its own too, so that what a killed container leaves there can go.
    `--cgroup-parent=/${place.bridge}`,
    "--exec-opt=native.cgroupdriver=cgroupfs",
    `--config-file=${config}`,
    "--log-level=warn",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
  ]);
  const child = execa(program, args, {
    cwd: place.root,
    reject: false,
    all: true,
    stdin: "ignore",
  });
  const ended = child.then(({ all }) => all);
  return {
    ended,
    async kill() {
      child.kill("SIGKILL");
      await ended;
      await endProcessesOf([runRoot, place.dataRoot]);
    },
  };
}

async function dyingWithUs(
  command: readonly [string, ...string[]],
): Promise<readonly [string, ...string[]]> {
  const setpriv = await findOnPath("setpriv");
  return setpriv === undefined ? command : [setpriv, "--pdeathsig=SIGTERM", ...command];
}

/** Ends what an engine leaves running: containerd, shims, runc, and what runs in containers. */
async function endProcessesOf(directories: readonly string[]): Promise<void> {
  for (;;) {
    let alive = 0;
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      if (!(await belongsTo(pid, directories))) continue;
      alive += 1;
      process.kill(Number(pid), "SIGKILL");
    }
    if (alive === 0) return;
    await sleep(20);
  }
}

/** By its arguments, or by the layers of its root directory. */
async function belongsTo(pid: string, directories: readonly string[]): Promise<boolean> {
  const read = (name: string): Promise<string> =>
    readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
  const [command, mounts] = await Promise.all([read("cmdline"), read("mountinfo")]);
  const rootMount = mounts.split("\n").find((line) => line.split(" ")[4] === "/") ?? "";
  return directories.some((dir) => `${command}\n${rootMount}`.includes(`${dir}/`));
}

async function firstAnswer(socketPath: string, { ended }: Running): Promise<void> {
  let output: string | undefined;
  void ended.then((written) => {
    output = written;
  });
  const startedAt = performance.now();
  for (;;) {
    const answer = await callEngine(socketPath, { method: "GET", path: "/_ping" }).catch(
      () => undefined,
    );
    if (answer?.status === 200) return;
    if (output !== undefined) throw new Error(`dockerd ended: ${output}`);
    if (performance.now() - startedAt > START_MS) throw new Error("dockerd does not answer");
    await sleep(50);
  }
}

/** Also what a killed engine left mounted; the innermost first. */
async function unmountBelow(root: string, umount: string): Promise<void> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  const points = mounts
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => point.startsWith(`${root}/`));
  for (const point of points.reverse()) {
    await execa(umount, ["--lazy", point], { reject: false });
  }
}

/** Of every hierarchy of version 1, or the one of version 2. */
async function removeCgroups(name: string): Promise<void> {
  const base = "/sys/fs/cgroup";
  const hierarchies = await readdir(base).catch(() => []);
  for (const parent of [join(base, name), ...hierarchies.map((dir) => join(base, dir, name))]) {
    const entries = await readdir(parent, { recursive: true, withFileTypes: true }).catch(() => []);
    const groups = entries.filter((entry) => entry.isDirectory());
    const paths = groups.map((entry) => join(entry.parentPath, entry.name));
    for (const group of paths.sort((a, b) => b.length - a.length)) await rmdir(group);
    await rmdir(parent).catch(() => undefined);
  }
}
