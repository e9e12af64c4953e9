import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { callEngine, callEngineJson } from "./engine-call.js";
import { hasScratchImage, STATIC_BUSYBOX_HINT, findStaticBusybox } from "./scratch-image.js";
import { skipOrThrow } from "./skip.js";

export type FoundTestEngine =
  | { readonly socketPath: string; readonly dockerHost: string; readonly skip: undefined }
  | { readonly socketPath: undefined; readonly dockerHost: undefined; readonly skip: string };

/**
 * A Docker engine that tests may use: `DOCKER_HOST` (unix only), else the first well-known socket
 * that answers `/_ping`. With none, or none that can run the scratch image, `skip` says why;
 * with `engine` in `MOLECULE_TEST_REQUIRE` it throws instead.
 *
 * @example
 * const engine = await findTestEngine();
 * describe.skipIf(engine.skip !== undefined)("volumes", () => { … });
 */
export async function findTestEngine(): Promise<FoundTestEngine> {
  const refusals: string[] = [];
  for (const socketPath of candidates()) {
    const refusal = await refusalOf(socketPath);
    if (refusal === undefined) {
      return { socketPath, dockerHost: `unix://${socketPath}`, skip: undefined };
    }
    refusals.push(`${socketPath}: ${refusal}`);
  }
  const skip = skipOrThrow(
    "engine",
    `no Docker engine for the tests (${refusals.join("; ") || "DOCKER_HOST is not a unix socket"})`,
  );
  return { socketPath: undefined, dockerHost: undefined, skip };
}

function candidates(): string[] {
  const host = process.env["DOCKER_HOST"];
  if (host !== undefined && host !== "") {
    return host.startsWith("unix://") ? [host.slice("unix://".length)] : [];
  }
  const runtimeDir = process.env["XDG_RUNTIME_DIR"];
  return [
    ...(runtimeDir === undefined || runtimeDir === "" ? [] : [join(runtimeDir, "docker.sock")]),
    "/var/run/docker.sock",
    join(homedir(), ".docker/run/docker.sock"),
  ];
}

async function refusalOf(socketPath: string): Promise<string | undefined> {
  try {
    const ping = await callEngine(socketPath, { method: "GET", path: "/_ping", timeoutMs: 5000 });
    if (ping.status !== 200) return `/_ping answered ${ping.status}`;
    if (ping.headers["ostype"] !== "linux") return "not a Linux engine";
    if (!(await hasScratchImage(socketPath)) && (await findStaticBusybox()) === undefined) {
      return STATIC_BUSYBOX_HINT;
    }
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** `prefix` and ten random hex digits: a name no parallel test has. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString("hex")}`;
}

/**
 * Removes every container, volume, network and image that carries `label` (`key` or `key=value`).
 * Safe to call twice and while others use the engine; an image still in use elsewhere stays.
 */
export async function cleanupEngine(socketPath: string, label: string): Promise<void> {
  const filter = encodeURIComponent(JSON.stringify({ label: [label] }));
  const list = <T>(path: string): Promise<T> =>
    callEngineJson<T>(socketPath, { method: "GET", path });
  const remove = (path: string): Promise<unknown> =>
    callEngine(socketPath, { method: "DELETE", path });

  const containers = await list<{ Id: string }[]>(`/containers/json?all=1&filters=${filter}`);
  await Promise.all(containers.map(({ Id }) => remove(`/containers/${Id}?force=1&v=1`)));
  const volumes = await list<{ Volumes: { Name: string }[] | null }>(`/volumes?filters=${filter}`);
  for (const { Name } of volumes.Volumes ?? []) await remove(`/volumes/${Name}?force=1`);
  const networks = await list<{ Id: string }[]>(`/networks?filters=${filter}`);
  for (const { Id } of networks) await remove(`/networks/${Id}`);
  const images = await list<{ Id: string; RepoTags: string[] | null }[]>(
    `/images/json?filters=${filter}`,
  );
  for (const { Id, RepoTags } of images) {
    for (const tag of RepoTags ?? []) {
      if (tag !== "<none>:<none>") await remove(`/images/${tag}`);
    }
    await remove(`/images/${Id}`);
  }
}
