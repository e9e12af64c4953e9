import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import {
  createDockerBackend,
  createProvisioner,
  createImagePuller,
  provisionerSettingsFromEnv,
  type PlanSettings,
  type Provisioner,
  type WorkspaceBackend,
  type WorkspaceSpec,
} from "@molecule-ai/provisioner-core";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import { buildScratchImage, callEngine, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { randomUUID } from "node:crypto";

/** What every scenario stands on: one engine, one small agent image, one installation of its own. */
export interface Rig extends AsyncDisposable {
  readonly socketPath: string;
  readonly engine: DockerEngine;
  readonly backend: WorkspaceBackend;
  readonly provisioner: Provisioner;
  readonly settings: PlanSettings;
  /** An agent of 2 MB that answers HTTP on port 8000 at once. */
  readonly image: string;
}

const RUNTIME = "bench";

export async function createRig(): Promise<Rig> {
  const found = await findTestEngine();
  if (found.skip !== undefined) throw new Error(found.skip);
  const { socketPath } = found;
  const image = `${uniqueName("molecule-test/bench")}:v1`;
  await buildScratchImage({
    socketPath,
    ref: image,
    cmd: ["httpd", "-f", "-p", "8000", "-h", "/www"],
    files: { "/www/index.html": "ok", "/www/.well-known/agent-card.json": "{}" },
  });
  const engine = await connectEngine({
    settings: engineSettingsFromEnv(
      { DOCKER_HOST: found.dockerHost },
      { homeDirectory: "/nonexistent", platform: process.platform, uid: process.getuid?.() },
    ),
  });
  const installId = uniqueName("bench");
  const backend = createDockerBackend({ engine, installId });
  const settings: PlanSettings = {
    ...provisionerSettingsFromEnv({}),
    installId,
    registry: { kind: "registry", prefix: "registry.invalid" },
    runtimes: createRuntimeRegistry({ extra: [RUNTIME] }),
    limits: tierLimitsFromEnv({}).limits,
  };
  const provisioner = createProvisioner({
    backend,
    settings,
    imageSource: { ensure: () => Promise.reject(new Error("every workspace names its image")) },
    ensureImage: createImagePuller({ engine }),
  });
  return {
    socketPath,
    engine,
    backend,
    provisioner,
    settings,
    image,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await callEngine(socketPath, { method: "DELETE", path: `/images/${image}?force=true` });
    },
  };
}

export const CONFIG_FILES: Readonly<Record<string, Buffer>> = {
  "config.yaml": Buffer.from("name: bench\nruntime: bench\ntemplate_schema_version: 1\n"),
  "system-prompt.md": Buffer.from("You are a benchmark.\n".repeat(40)),
  "skills/one.md": Buffer.from("# One\n".repeat(20)),
};

export function newSpec(rig: Rig): WorkspaceSpec {
  return {
    id: randomUUID(),
    runtime: RUNTIME,
    tier: 2,
    image: rig.image,
    configFiles: CONFIG_FILES,
  };
}
