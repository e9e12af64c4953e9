import { join } from "node:path";
import type { Clock, Redactor } from "@molecule-ai/core";
import { createRegistryCredentials, type DockerEngine } from "@molecule-ai/docker-engine";
import type { AdmissionPolicy, Provenance, ProvenanceStore } from "@molecule-ai/image-trust";
import type { BuildRecorder, LocalBuildSettings } from "@molecule-ai/local-build";
import type { Admission, AdmissionQuestion } from "@molecule-ai/provisioner-core";
import type { RegistryClient } from "@molecule-ai/registry-client";
import type { ServerConfig } from "../config.js";
import { readVersion } from "../version.js";
import type { HostSettings } from "./host-settings.js";

interface TrustOptions {
  readonly config: ServerConfig;
  readonly settings: HostSettings;
  readonly engine: DockerEngine;
  readonly installId: string;
  /** Undefined when the environment names none. */
  readonly policy: AdmissionPolicy | undefined;
  readonly redactor: Redactor;
  readonly clock: Clock;
}

/** What a host knows of its images, and what it asks of them. */
export interface HostTrust {
  readonly admission: Admission;
  readonly recorder: BuildRecorder;
  /** How an image came to be; undefined for one that was not built here. */
  provenanceOf(imageId: string): Promise<Provenance | undefined>;
}

/** The policy a server was started with; throws `ERR_TRUST_POLICY` for one that cannot be used. */
export async function readAdmissionPolicy({
  admissionPolicyFile,
}: Pick<ServerConfig, "admissionPolicyFile">): Promise<AdmissionPolicy | undefined> {
  if (admissionPolicyFile === undefined) return undefined;
  const { readPolicyFile } = await import("@molecule-ai/image-trust");
  return readPolicyFile(admissionPolicyFile);
}

/** Nothing is loaded before an image is asked about or was built. */
export function createHostTrust(options: TrustOptions): HostTrust {
  const { engine, installId, policy, clock } = options;
  let opened: Promise<ProvenanceStore> | undefined;
  const store = (): Promise<ProvenanceStore> => (opened ??= openProvenanceStore(options.config));
  const findPushed = async ({ runtime, image, isNamed }: AdmissionQuestion) => {
    if (isNamed) return undefined;
    const { pushedAs } = await import("@molecule-ai/local-build");
    const localBuild = await readLocalBuildSettings(options.config);
    const { registry } = options.settings.plan;
    return pushedAs({ runtime, imageId: image.imageId }, { ...localBuild, registry });
  };
  const openRecorder = async () => {
    const { createProvenanceRecorder } = await import("@molecule-ai/image-trust");
    return createProvenanceRecorder({
      engine,
      installId,
      store: await store(),
      versions: { "molecule-server": readVersion() },
    });
  };

  return {
    async admission(question) {
      if (policy === undefined && question.tier < 3) return { decision: "allowed", findings: [] };
      const { createAdmissionGate, NO_ADMISSION_POLICY } = await import("@molecule-ai/image-trust");
      await using registry = await openRegistryClient(options);
      const gate = createAdmissionGate({
        engine,
        installId,
        policy: policy ?? NO_ADMISSION_POLICY,
        provenance: await store(),
        registry,
        clock,
      });
      return await gate.admit({ ...question, pushedAs: await findPushed(question) });
    },
    recorder: {
      built: async (build, { signal }) => (await openRecorder()).built(build, { signal }),
      async pushed(imageId, reference, { signal }) {
        await using registry = await openRegistryClient(options);
        await (await openRecorder()).pushed(imageId, reference, { registry, signal });
      },
    },
    async provenanceOf(imageId) {
      const { readProvenance } = await import("@molecule-ai/image-trust");
      const kept = await (await store()).read(imageId);
      return kept && readProvenance(kept.predicateType, kept.predicate);
    },
  };
}

async function readLocalBuildSettings({
  env,
  machine,
}: Pick<ServerConfig, "env" | "machine">): Promise<LocalBuildSettings> {
  const { localBuildSettingsFromEnv } = await import("@molecule-ai/local-build");
  return localBuildSettingsFromEnv(env, {
    homeDir: machine.homeDirectory,
    tmpDir: machine.temporaryDirectory,
  });
}

/** Beside the checkouts that images were built from. */
async function openProvenanceStore(
  config: Pick<ServerConfig, "env" | "machine">,
): Promise<ProvenanceStore> {
  const { createProvenanceStore } = await import("@molecule-ai/image-trust");
  const { cacheDirectory } = await readLocalBuildSettings(config);
  return createProvenanceStore(join(cacheDirectory, "provenance"));
}

/** With the credentials that the engine's own pulls use. */
async function openRegistryClient({
  settings,
  redactor,
  clock,
}: Pick<TrustOptions, "settings" | "redactor" | "clock">): Promise<RegistryClient> {
  const { createRegistryClient } = await import("@molecule-ai/registry-client");
  return createRegistryClient({
    credentials: createRegistryCredentials({ settings: settings.engine, redactor }),
    redactor,
    clock,
  });
}
