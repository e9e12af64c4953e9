import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, mkdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { pack } from "tar-stream";
import { callEngine } from "./engine-call.js";

/** The shared image of {@link busyboxImage}. */
export const BUSYBOX_IMAGE = "molecule-test/busybox:latest";

/** Said when a test image cannot be made on this machine. */
export const STATIC_BUSYBOX_HINT =
  "no static busybox in /bin or /usr/bin (on Debian: apt-get install busybox-static)";

export interface ScratchFile {
  readonly content: string | Buffer;
  /** Default 0644. */
  readonly mode?: number | undefined;
  /** Default 0. */
  readonly uid?: number | undefined;
}

export interface ScratchImageOptions {
  readonly socketPath: string;
  /** `repository:tag`. */
  readonly ref: string;
  readonly entrypoint?: readonly string[] | undefined;
  /** Default `["sh"]`. */
  readonly cmd?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `molecule.test=true` is always set. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** By absolute path; missing directories are made. */
  readonly files?: Readonly<Record<string, string | ScratchFile>> | undefined;
  /** Further Dockerfile instructions the engine accepts on import: EXPOSE, VOLUME, HEALTHCHECK … */
  readonly changes?: readonly string[] | undefined;
  /** Without busybox and its files, only `files` is in the image. Default true. */
  readonly busybox?: boolean | undefined;
}

/**
 * Makes sure the 2 MB image `molecule-test/busybox:latest` is on the engine and returns its
 * reference: sh, httpd and every other applet, users root and agent (1000), /tmp, /home/agent, label
 * `molecule.test=true`. Parallel test processes make it once.
 */
export async function busyboxImage(socketPath: string): Promise<string> {
  if (await hasScratchImage(socketPath)) return BUSYBOX_IMAGE;
  await withLock(socketPath, async () => {
    if (!(await hasScratchImage(socketPath))) {
      await buildScratchImage({ socketPath, ref: BUSYBOX_IMAGE });
    }
  });
  return BUSYBOX_IMAGE;
}

/** True when {@link BUSYBOX_IMAGE} is on the engine. */
export async function hasScratchImage(socketPath: string): Promise<boolean> {
  const path = `/images/${BUSYBOX_IMAGE}/json`;
  return (await callEngine(socketPath, { method: "GET", path })).status === 200;
}

/** Makes an image from busybox and the given files through the engine's import; returns its id. */
export async function buildScratchImage(options: ScratchImageOptions): Promise<string> {
  const tar = await rootfsTar(options);
  const separator = options.ref.lastIndexOf(":");
  const query = new URLSearchParams({
    fromSrc: "-",
    repo: options.ref.slice(0, separator),
    tag: options.ref.slice(separator + 1),
  });
  for (const change of changesOf(options)) query.append("changes", change);
  const answer = await callEngine(options.socketPath, {
    method: "POST",
    path: `/images/create?${query.toString()}`,
    body: tar,
  });
  const text = answer.body.toString("utf8");
  const id = /"status":"(sha256:[0-9a-f]{64})"/.exec(text)?.[1];
  if (answer.status !== 200 || id === undefined) {
    throw new Error(`import of ${options.ref}: ${answer.status} ${text.trim()}`);
  }
  return id;
}

/** Path of a statically linked busybox on this machine; undefined when there is none. */
export async function findStaticBusybox(): Promise<string | undefined> {
  for (const path of ["/bin/busybox", "/usr/bin/busybox"]) {
    const bytes = await readFile(path).catch(() => undefined);
    // A dynamic binary names its loader in the first page.
    if (bytes !== undefined && !bytes.subarray(0, 4096).includes("/ld-")) return path;
  }
  return undefined;
}

function changesOf(options: ScratchImageOptions): string[] {
  const labels = { "molecule.test": "true", ...options.labels };
  return [
    ...Object.entries(labels).map(([key, value]) => `LABEL ${quote(key)}=${quote(value)}`),
    ...Object.entries({ PATH: "/bin:/usr/bin", ...options.env }).map(
      ([key, value]) => `ENV ${key}=${quote(value)}`,
    ),
    ...(options.workingDir === undefined ? [] : [`WORKDIR ${options.workingDir}`]),
    ...(options.user === undefined ? [] : [`USER ${options.user}`]),
    ...(options.entrypoint === undefined
      ? []
      : [`ENTRYPOINT ${JSON.stringify(options.entrypoint)}`]),
    `CMD ${JSON.stringify(options.cmd ?? ["sh"])}`,
    ...(options.changes ?? []),
  ];
}

function quote(text: string): string {
  return `"${text.replace(/["\\$]/g, "\\$&")}"`;
}

async function rootfsTar(options: ScratchImageOptions): Promise<Buffer> {
  const tar = pack();
  const chunks: Buffer[] = [];
  const done = new Promise<void>((resolve, reject) => {
    tar.on("data", (chunk) => chunks.push(chunk as Buffer));
    tar.on("end", resolve);
    tar.on("error", reject);
  });
  const directories = new Set<string>();
  const directory = (name: string, mode = 0o755, uid = 0): void => {
    if (name === "" || name === "." || directories.has(name)) return;
    directory(name.slice(0, Math.max(0, name.lastIndexOf("/"))));
    directories.add(name);
    tar.entry({ name: `${name}/`, type: "directory", mode, uid, gid: uid });
  };
  directory("tmp", 0o1777);
  if (options.busybox !== false) {
    const { binary, applets } = await readBusybox();
    directory("bin");
    tar.entry({ name: "bin/busybox", mode: 0o755 }, binary);
    for (const applet of applets) {
      tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox", mode: 0o777 });
    }
    directory("root", 0o700);
    directory("home/agent", 0o755, 1000);
    directory("etc");
    tar.entry(
      { name: "etc/passwd", mode: 0o644 },
      "root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n",
    );
    tar.entry({ name: "etc/group", mode: 0o644 }, "root:x:0:\nagent:x:1000:\n");
  }
  for (const [path, given] of Object.entries(options.files ?? {})) {
    const file: ScratchFile =
      typeof given === "string" || Buffer.isBuffer(given) ? { content: given } : given;
    const name = path.replace(/^\/+/, "");
    directory(name.slice(0, Math.max(0, name.lastIndexOf("/"))));
    const uid = file.uid ?? 0;
    tar.entry({ name, mode: file.mode ?? 0o644, uid, gid: uid }, file.content);
  }
  tar.finalize();
  await done;
  return Buffer.concat(chunks);
}

async function readBusybox(): Promise<{ binary: Buffer; applets: string[] }> {
  const path = await findStaticBusybox();
  if (path === undefined) throw new Error(STATIC_BUSYBOX_HINT);
  const { stdout } = await promisify(execFile)(path, ["--list"]);
  return {
    binary: await readFile(path),
    applets: stdout.split("\n").filter((name) => name !== "" && name !== "busybox"),
  };
}

/** One holder per engine among all processes of this machine; a lock older than a minute is dead. */
async function withLock(socketPath: string, work: () => Promise<void>): Promise<void> {
  const digest = createHash("sha256").update(socketPath).digest("hex").slice(0, 12);
  const lock = join(tmpdir(), `molecule-test-image-${digest}.lock`);
  for (;;) {
    const taken = await mkdir(lock).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (taken) break;
    const since = await stat(lock).then(
      (found) => found.mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - since > 60_000) await rm(lock, { recursive: true, force: true });
    await sleep(50);
  }
  try {
    await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
