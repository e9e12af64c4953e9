import { join } from "node:path";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type {
  AdmissionGate,
  AdmissionPolicy,
  Cosign,
  ProvenanceStore,
} from "@molecule-ai/image-trust";
import type { BuildRecorder } from "@molecule-ai/local-build";
import type { Admission } from "@molecule-ai/provisioner-core";
import type { RegistryClient } from "@molecule-ai/registry-client";
import { openRegistryClient } from "./compose-registry.js";
import type { CommandContext } from "./run-command.js";
import { readVersion } from "./version.js";

type TrustContext = Pick<CommandContext, "settings" | "signal" | "redactor" | "clock" | "onEvent">;
type TrustMachine = { readonly engine: DockerEngine; readonly installId: string };

/** Where what is known of images is kept: beside the checkouts they were built from. */
export async function openProvenanceStore({
  settings,
}: Pick<TrustContext, "settings">): Promise<ProvenanceStore> {
  const [{ createProvenanceStore }, { localBuildSettingsFromEnv }] = await Promise.all([
    import("@molecule-ai/image-trust"),
    import("@molecule-ai/local-build"),
  ]);
  const { cacheDirectory } = localBuildSettingsFromEnv(settings.env, {
    homeDir: settings.homeDirectory,
    tmpDir: settings.temporaryDirectory,
  });
  return createProvenanceStore(join(cacheDirectory, "provenance"));
}

/** The policy the environment names; one that asks for nothing where it names none. */
export async function readAdmissionPolicy({
  settings,
}: Pick<TrustContext, "settings">): Promise<AdmissionPolicy> {
  const { NO_ADMISSION_POLICY, readPolicyFile, trustSettingsFromEnv } =
    await import("@molecule-ai/image-trust");
  const { policyFile } = trustSettingsFromEnv(settings.env);
  return policyFile === undefined ? NO_ADMISSION_POLICY : readPolicyFile(policyFile);
}

/** What a workspace is asked for before it starts. Nothing is loaded where nothing is asked. */
export function createAdmission(context: TrustContext, machine: TrustMachine): Admission {
  const hasPolicy = (context.settings.env["MOLECULE_ADMISSION_POLICY"] ?? "") !== "";
  return async (question) => {
    if (!hasPolicy && question.tier < 3) return { decision: "allowed", findings: [] };
    await using registry = await openRegistryClient(context);
    const gate = await openGate(context, machine, registry);
    const pushedAs = await findPushed(context, { ...question, imageId: question.image.imageId });
    return await gate.admit({ ...question, pushedAs });
  };
}

/** What a registry calls an image that was built here; see `pushedAs`. */
export async function findPushed(
  { settings }: Pick<TrustContext, "settings">,
  image: { readonly runtime: string; readonly imageId: string; readonly isNamed: boolean },
): Promise<string | null | undefined> {
  if (image.isNamed) return undefined;
  const [{ localBuildSettingsFromEnv, pushedAs }, { resolveRegistry }] = await Promise.all([
    import("@molecule-ai/local-build"),
    import("@molecule-ai/registry-mode"),
  ]);
  const localBuild = localBuildSettingsFromEnv(settings.env, {
    homeDir: settings.homeDirectory,
    tmpDir: settings.temporaryDirectory,
  });
  return pushedAs(image, { ...localBuild, registry: resolveRegistry(settings.env) });
}

/** The gate of this machine. */
export async function openGate(
  context: TrustContext,
  { engine, installId }: TrustMachine,
  registry: RegistryClient,
): Promise<AdmissionGate> {
  const { createAdmissionGate } = await import("@molecule-ai/image-trust");
  return createAdmissionGate({
    engine,
    installId,
    policy: await readAdmissionPolicy(context),
    provenance: await openProvenanceStore(context),
    registry,
    clock: context.clock,
  });
}

/** Keeps the provenance of what is built here, and puts it beside what is pushed. */
export function createRecorder(context: TrustContext, machine: TrustMachine): BuildRecorder {
  const open = async () => {
    const { createProvenanceRecorder } = await import("@molecule-ai/image-trust");
    return createProvenanceRecorder({
      ...machine,
      store: await openProvenanceStore(context),
      versions: { "molecule-provisioner": readVersion() },
    });
  };
  return {
    built: async (build, options) => (await open()).built(build, options),
    async pushed(imageId, reference, { signal }) {
      await using registry = await openRegistryClient(context);
      await (await open()).pushed(imageId, reference, { registry, signal });
    },
  };
}

/** The cosign of this machine. */
export async function openCosign({
  settings,
  redactor,
}: Pick<TrustContext, "settings" | "redactor">): Promise<Cosign> {
  const { createCosign, trustSettingsFromEnv } = await import("@molecule-ai/image-trust");
  const { cosignPath } = trustSettingsFromEnv(settings.env);
  return createCosign({ file: cosignPath, env: settings.env, redactor });
}
