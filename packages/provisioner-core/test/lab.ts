import type { ProvisionEvent } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { createRuntimeRegistry, type ResolvedImage } from "@molecule-ai/registry-mode";
import {
  buildScratchImage,
  busyboxImage,
  callEngine,
  callEngineJson,
  cleanupEngine,
  uniqueName,
  type ScratchImageOptions,
} from "@molecule-ai/testkit";
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import {
  createDockerBackend,
  createProvisioner,
  provisionerSettingsFromEnv,
  type Admission,
  type DockerBackendOptions,
  type PlanSettings,
  type Provisioner,
  type WorkspaceBackend,
  type WorkspaceSpec,
} from "../src/index.js";

/** Serves /srv on the agent port once it has its config, and ends on SIGTERM. */
const AGENT = `#!/bin/sh
echo "argument: $1"
[ -f /configs/config.yaml ] || { echo "no config.yaml"; exit 3; }
echo "config: $(cat /configs/config.yaml)"
echo "secret: $(printf %s "$TEST_SECRET" | md5sum)"
[ -f /configs/fail ] && { echo "told to fail"; exit 7; }
[ -f /configs/mute ] && { echo "mute"; exec sleep 3600; }
mkdir -p /tmp/srv && echo hello > /tmp/srv/index.html
trap 'echo "got TERM"; exit 0' TERM
httpd -f -p 8000 -h /tmp/srv &
wait
`;

/** An installation of its own on the test engine, with an agent image; all of it goes on disposal. */
export interface Lab extends AsyncDisposable {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly settings: PlanSettings;
  readonly backend: WorkspaceBackend;
  readonly provisioner: Provisioner;
  readonly image: ResolvedImage;
  readonly socketPath: string;
  readonly label: string;
  /** A spec with a new id, a config.yaml and runtime test-agent. */
  spec(over?: Partial<WorkspaceSpec>): WorkspaceSpec;
  buildImage(options: Omit<ScratchImageOptions, "socketPath" | "ref">): Promise<ResolvedImage>;
  backendOn(engine: DockerEngine, over?: Partial<DockerBackendOptions>): WorkspaceBackend;
  provisionerOn(
    backend: WorkspaceBackend,
    image?: ResolvedImage,
    admission?: Admission,
  ): Provisioner;
  /** Names of all containers and volumes that carry the install label. */
  leftovers(): Promise<string[]>;
  /** The engine's own record of a container. */
  raw(name: string): Promise<RawContainer>;
}

export interface RawContainer {
  readonly Id: string;
  readonly Config: {
    readonly Env: string[];
    readonly Labels: Record<string, string>;
    readonly Entrypoint: string[];
    readonly Cmd: string[];
  };
  readonly HostConfig: Record<string, unknown>;
  readonly State: { readonly Status: string };
}

export async function connectLab(dockerHost: string): Promise<DockerEngine> {
  const settings = engineSettingsFromEnv(
    { DOCKER_HOST: dockerHost },
    { homeDirectory: homedir(), platform: process.platform },
  );
  return connectEngine({ settings });
}

export async function openLab(socketPath: string): Promise<Lab> {
  await busyboxImage(socketPath);
  const engine = await connectLab(`unix://${socketPath}`);
  const installId = uniqueName("t");
  const label = `molecule.test.install=${installId}`;
  const settings: PlanSettings = {
    ...provisionerSettingsFromEnv({
      MOLECULE_NETWORK: installId,
      MOLECULE_STOP_GRACE_SECONDS: "2",
      MOLECULE_READY_TIMEOUT_SECONDS: "20",
    }),
    installId,
    registry: { kind: "local-build", repositoryPrefix: "https://git.example/t-" },
    runtimes: createRuntimeRegistry({ extra: ["test-agent"] }),
    limits: tierLimitsFromEnv({}).limits,
  };
  const buildImage: Lab["buildImage"] = async (options) => {
    const ref = `molecule-test/${uniqueName("pc")}:1`;
    const imageId = await buildScratchImage({
      ...options,
      socketPath,
      ref,
      labels: { ...options.labels, "molecule.test.install": installId },
    });
    return {
      ref,
      imageId,
      digest: undefined,
      revision: undefined,
      tree: undefined,
      source: undefined,
      platform: undefined,
      outcome: "present",
      templatePath: undefined,
    };
  };
  const image = await buildImage({
    entrypoint: ["/agent.sh"],
    cmd: ["from-image"],
    env: { FROM_IMAGE: "yes" },
    files: { "/agent.sh": { content: AGENT, mode: 0o755 } },
  });
  const backendOn: Lab["backendOn"] = (on, over = {}) =>
    createDockerBackend({ engine: on, installId, stopGraceSeconds: 2, ...over });
  const provisionerOn: Lab["provisionerOn"] = (on, source = image, admission) =>
    createProvisioner({
      backend: on,
      settings,
      admission,
      imageSource: { ensure: () => Promise.resolve(source) },
    });
  const backend = backendOn(engine);
  return {
    engine,
    installId,
    settings,
    backend,
    provisioner: provisionerOn(backend),
    image,
    socketPath,
    label,
    spec: (over = {}) => ({
      id: randomUUID(),
      runtime: "test-agent",
      tier: 2,
      configFiles: { "config.yaml": Buffer.from("name: test\n") },
      ...over,
    }),
    buildImage,
    backendOn,
    provisionerOn,
    async leftovers() {
      const filter = encodeURIComponent(
        JSON.stringify({ label: [`molecule.platform.install=${installId}`] }),
      );
      const get = <T>(path: string): Promise<T> =>
        callEngineJson<T>(socketPath, { method: "GET", path });
      const containers = await get<{ Names: string[] }[]>(
        `/containers/json?all=1&filters=${filter}`,
      );
      const volumes = await get<{ Volumes: { Name: string }[] | null }>(
        `/volumes?filters=${filter}`,
      );
      return [
        ...containers.map(({ Names }) => Names[0] ?? ""),
        ...(volumes.Volumes ?? []).map(({ Name }) => Name),
      ].sort();
    },
    raw: (name) => callEngineJson(socketPath, { method: "GET", path: `/containers/${name}/json` }),
    async [Symbol.asyncDispose]() {
      await cleanupEngine(socketPath, `molecule.platform.install=${installId}`);
      await cleanupEngine(socketPath, label);
      await callEngine(socketPath, { method: "DELETE", path: `/networks/${installId}` });
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** Collects events and gives them by type. */
export function recordEvents(): {
  readonly events: ProvisionEvent[];
  readonly onEvent: (event: ProvisionEvent) => void;
} {
  const events: ProvisionEvent[] = [];
  return { events, onEvent: (event) => void events.push(event) };
}

/** All output of a workspace so far. */
export async function readLog(backend: WorkspaceBackend, id: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const { bytes } of backend.logs(id)) chunks.push(bytes);
  return Buffer.concat(chunks).toString("utf8");
}

/** Standard output of a command in a workspace. */
export async function execText(
  backend: WorkspaceBackend,
  id: string,
  ...argv: string[]
): Promise<string> {
  const chunks: Buffer[] = [];
  await backend.exec(id, { argv, onOutput: ({ bytes }) => void chunks.push(bytes) });
  return Buffer.concat(chunks).toString("utf8");
}
