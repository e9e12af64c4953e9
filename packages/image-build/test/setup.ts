import type { BuildEvent } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { busyboxImage } from "@molecule-ai/testkit";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The engine behind a socket, with no credentials. */
export async function engineAt(socketPath: string): Promise<DockerEngine> {
  await busyboxImage(socketPath);
  return connectEngine({
    settings: engineSettingsFromEnv(
      { DOCKER_HOST: `unix://${socketPath}`, DOCKER_CONFIG: "/nonexistent" },
      { homeDirectory: "/nonexistent", platform: "linux", uid: 0 },
    ),
  });
}

/** A directory with these files; its disposal removes it. */
export async function directoryOf(
  files: Readonly<Record<string, string | Buffer>>,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "molecule-build-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
    await chmod(join(path, name), 0o644);
  }
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** A number of seconds nobody else sleeps for, so that the process can be found among all. */
export function uniqueSleep(): string {
  return `sleep ${100_000 + Math.floor(Math.random() * 800_000)}`;
}

/** Whether a process of this machine runs exactly this command. */
export async function isRunning(command: string): Promise<boolean> {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.replaceAll("\0", " ").trim() === command) return true;
  }
  return false;
}

export const logsOf = (events: readonly BuildEvent[]): string[] =>
  events.flatMap((event) => (event.type === "build.log" ? [event.line] : []));
