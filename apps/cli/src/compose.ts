import { deriveInstallId } from "@molecule-ai/core";
import type { DockerEngine, RegistryCredential } from "@molecule-ai/docker-engine";
import type { CollectionLimits, LocalBuildSource } from "@molecule-ai/local-build";
import type {
  Provisioner,
  WorkspaceBackend,
  WorkspaceSummary,
} from "@molecule-ai/provisioner-core";
import type { ImageSource } from "@molecule-ai/registry-mode";
import { findWorkspace } from "./address.js";
import { createAdmission, createRecorder } from "./compose-trust.js";
import type { Settings } from "./config.js";
import type { CommandContext } from "./run-command.js";

/** What a command that looks at workspaces needs. Dispose it to let go of the engine. */
export interface Machine extends AsyncDisposable {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly backend: WorkspaceBackend;
  /** The workspace a person means; see `findWorkspace`. */
  find(query: string, signal: AbortSignal): Promise<WorkspaceSummary>;
}

/** What makes images and workspaces on a machine. Dispose it before the machine. */
export interface Workshop extends AsyncDisposable {
  readonly provisioner: Provisioner;
  /** Pull or local build, as the environment says. */
  readonly images: ImageSource;
}

type MachineContext = Pick<
  CommandContext,
  "settings" | "signal" | "redactor" | "clock" | "onEvent"
>;

/** Connects to the engine; packages are loaded here and not before. */
export async function openMachine(context: MachineContext): Promise<Machine> {
  const [engine, { createDockerBackend, provisionerSettingsFromEnv }] = await Promise.all([
    openEngine(context),
    import("@molecule-ai/provisioner-core"),
  ]);
  try {
    const { stopGraceSeconds, adoptVolumes } = provisionerSettingsFromEnv(context.settings.env);
    const installId = await readInstallId(engine, context.settings, context.signal);
    const backend = createDockerBackend({
      engine,
      installId,
      stopGraceSeconds,
      adoptVolumes,
      clock: context.clock,
      redactor: context.redactor,
    });
    return {
      engine,
      installId,
      backend,
      async find(query, signal) {
        return findWorkspace(await backend.list({ signal }), query);
      },
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    };
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Only the engine, for what can be said without knowing our own workspaces. `logins` come before the
 * credentials that the user has for the same registries.
 */
export async function openEngine(
  context: MachineContext,
  logins: readonly { readonly host: string; readonly credential: RegistryCredential }[] = [],
): Promise<DockerEngine> {
  const { connectEngine, engineSettingsFromEnv } = await import("@molecule-ai/docker-engine");
  const { env, homeDirectory, hostPlatform, uid } = context.settings;
  const settings = engineSettingsFromEnv(env, { homeDirectory, platform: hostPlatform, uid });
  for (const credential of settings.credentials.values()) {
    context.redactor.add(credential.kind === "password" ? credential.password : credential.token);
  }
  const named = logins.map(({ host, credential }) => [host, credential] as const);
  return connectEngine({
    settings: { ...settings, credentials: new Map([...settings.credentials, ...named]) },
    signal: context.signal,
    redactor: context.redactor,
    clock: context.clock,
  });
}

/** The id on everything this installation makes. */
export async function readInstallId(
  engine: DockerEngine,
  settings: Settings,
  signal: AbortSignal,
): Promise<string> {
  if (settings.installId !== undefined) return settings.installId;
  const { id } = await engine.info({ signal });
  return deriveInstallId(id, settings.userName);
}

/** The workshop of a machine, wired for the image source the environment chose. */
export async function openWorkshop(
  context: MachineContext,
  machine: Pick<Machine, "engine" | "installId" | "backend">,
  options: { readonly platform?: string | undefined } = {},
): Promise<Workshop> {
  const [
    { createImagePuller, createProvisioner, createRegistryImageSource },
    { readPlanSettings },
  ] = await Promise.all([import("@molecule-ai/provisioner-core"), import("./plan-settings.js")]);
  let localBuild: LocalBuildSource | undefined;
  try {
    const { engine, installId, backend } = machine;
    const { settings, warnings } = readPlanSettings(context.settings, {
      installId,
      platform: options.platform,
      socketPath: engine.endpoint.kind === "unix" ? engine.endpoint.address : undefined,
    });
    for (const warning of warnings) context.onEvent(warning);
    const { registry, runtimes, pins, platform } = settings;
    let images: ImageSource;
    if (registry.kind === "registry") {
      images = createRegistryImageSource({
        engine,
        prefix: registry.prefix,
        runtimes,
        pins,
        platform,
        clock: context.clock,
      });
    } else {
      localBuild = await openLocalBuild(context, machine, { platform });
      images = localBuild;
    }
    const provisioner = createProvisioner({
      backend,
      imageSource: images,
      settings,
      ensureImage: createImagePuller({ engine, platform, clock: context.clock }),
      admission: createAdmission(context, machine),
      clock: context.clock,
      redactor: context.redactor,
    });
    return {
      provisioner,
      images,
      async [Symbol.asyncDispose]() {
        await localBuild?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await localBuild?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** The local builder alone: for `images` and `gc`, whatever the environment says of a registry. */
export async function openLocalBuild(
  context: MachineContext,
  machine: Pick<Machine, "engine" | "installId">,
  options: {
    readonly platform?: string | undefined;
    readonly collection?: Partial<CollectionLimits> | undefined;
  } = {},
): Promise<LocalBuildSource> {
  const [
    { createGiteaClient, credentialSecret, giteaSettingsFromEnv },
    { buildSettingsFromEnv, openImageBuilder },
    { createLocalBuildSource, localBuildSettingsFromEnv },
    { DEFAULT_TEMPLATE_REPOSITORY_PREFIX, resolveRegistry, runtimesFromEnv },
  ] = await Promise.all([
    import("@molecule-ai/gitea-client"),
    import("@molecule-ai/image-build"),
    import("@molecule-ai/local-build"),
    import("@molecule-ai/registry-mode"),
  ]);
  const { env, homeDirectory, temporaryDirectory } = context.settings;
  const registry = resolveRegistry(env);
  const giteaSettings = giteaSettingsFromEnv(env);
  const { credential } = giteaSettings;
  if (credential !== undefined) {
    context.redactor.add(credentialSecret(credential));
  }
  const settings = localBuildSettingsFromEnv(env, {
    homeDir: homeDirectory,
    tmpDir: temporaryDirectory,
  });
  const { engine, installId } = machine;
  const repositoryPrefix =
    registry.kind === "local-build"
      ? registry.repositoryPrefix
      : DEFAULT_TEMPLATE_REPOSITORY_PREFIX;
  const gitea = createGiteaClient({ settings: giteaSettings, clock: context.clock });
  const source = createLocalBuildSource({
    engine,
    installId,
    gitea,
    builder: openImageBuilder({
      engine,
      settings: buildSettingsFromEnv(env, { homeDirectory }),
      repositoryId: repositoryPrefix,
      clock: context.clock,
      redactor: context.redactor,
    }),
    runtimes: runtimesFromEnv(env),
    repositoryPrefix,
    settings: { ...settings, collection: { ...settings.collection, ...options.collection } },
    platform: options.platform,
    giteaSettings,
    recorder: createRecorder(context, machine),
    redactor: context.redactor,
    clock: context.clock,
  });
  return {
    ...source,
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      await gitea[Symbol.asyncDispose]();
    },
  };
}
