import { posix } from "node:path";
import { readDockerConfig, readDockerContext } from "./docker-config.js";
import { parseEngineAddress, type EngineAddress } from "./engine-address.js";
import type { EngineSettings } from "./settings.js";

/** Certificates for a TCP engine. */
export interface CandidateTls {
  readonly directory: string;
  /** Without verification any engine is believed. */
  readonly verify: boolean;
  /** True when the files must be there; else TLS is used only if they are. */
  readonly required: boolean;
}

/** An engine to try. */
export interface EngineCandidate {
  readonly address: EngineAddress;
  /** Where we learnt of it, for messages. */
  readonly origin: string;
  readonly tls: CandidateTls | undefined;
}

/**
 * Which engines to try. `explicit`: somebody named one, and another would be the wrong one.
 * Otherwise the well-known sockets, the user's own before the machine's and Docker before Podman.
 */
export async function engineCandidates(
  settings: EngineSettings,
): Promise<{ readonly explicit: boolean; readonly candidates: readonly EngineCandidate[] }> {
  if (settings.dockerHost !== undefined) {
    const address = parseEngineAddress(settings.dockerHost, "DOCKER_HOST");
    const tls = settings.tlsVerify
      ? { directory: settings.certDirectory, verify: true, required: true }
      : undefined;
    return { explicit: true, candidates: [{ address, origin: "DOCKER_HOST", tls }] };
  }
  const context =
    settings.dockerContext ?? (await readDockerConfig(settings.configDirectory)).currentContext;
  if (context !== undefined && context !== "default") {
    const { host, skipTlsVerify, tlsDirectory } = await readDockerContext(
      settings.configDirectory,
      context,
    );
    const origin = `context ${JSON.stringify(context)}`;
    const address = parseEngineAddress(host, `The host of ${origin}`);
    const tls = { directory: tlsDirectory, verify: !skipTlsVerify, required: skipTlsVerify };
    return { explicit: true, candidates: [{ address, origin, tls }] };
  }
  return { explicit: false, candidates: wellKnown(settings) };
}

function wellKnown(settings: EngineSettings): EngineCandidate[] {
  if (settings.platform === "win32") {
    const address = { kind: "npipe", path: "//./pipe/docker_engine" } as const;
    return [{ address, origin: "default pipe", tls: undefined }];
  }
  const { homeDirectory, uid } = settings;
  const runtimeDirectory =
    settings.runtimeDirectory ?? (uid === undefined || uid === 0 ? undefined : `/run/user/${uid}`);
  const sockets: [path: string, origin: string][] = [];
  if (runtimeDirectory !== undefined) {
    sockets.push([posix.join(runtimeDirectory, "docker.sock"), "rootless socket"]);
  }
  sockets.push(["/var/run/docker.sock", "default socket"]);
  sockets.push([posix.join(homeDirectory, ".docker/run/docker.sock"), "Docker Desktop socket"]);
  if (runtimeDirectory !== undefined) {
    sockets.push([posix.join(runtimeDirectory, "podman/podman.sock"), "rootless Podman socket"]);
  }
  sockets.push(["/run/podman/podman.sock", "Podman socket"]);
  return sockets.map(([path, origin]) => ({
    address: { kind: "unix", path },
    origin,
    tls: undefined,
  }));
}
