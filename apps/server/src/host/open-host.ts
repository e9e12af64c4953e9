import { connectEngine, type DockerEngine } from "@molecule-ai/docker-engine";
import {
  createDockerBackend,
  createImagePuller,
  createProvisioner,
  createRegistryImageSource,
  type PlanSettings,
} from "@molecule-ai/provisioner-core";
import type { ImageSource } from "@molecule-ai/registry-mode";
import type { HostLinkOptions } from "./create-host-link.js";
import { createHostTrust, type HostTrust } from "./host-trust.js";
import type { HostSettings } from "./host-settings.js";
import type { Host } from "./host.js";

/** A host and what of it must be closed. */
export interface OpenHost extends AsyncDisposable {
  readonly host: Host;
}

interface OpenHostOptions extends HostLinkOptions {
  readonly settings: HostSettings;
  /** Where the server listens. */
  readonly port: number;
  readonly signal: AbortSignal;
}

/** Connects once; rejects when the engine does not answer. */
export async function openHost(options: OpenHostOptions): Promise<OpenHost> {
  const { config, settings, redactor, clock, signal } = options;
  const engine = await connectEngine({ settings: settings.engine, signal, redactor, clock });
  let closeImages: (() => Promise<void>) | undefined;
  try {
    const { id } = await engine.info({ signal });
    const container = await findOwnContainer(engine, options);
    const inDocker = config.inDocker ?? container !== undefined;
    const plan = completePlan(engine, options, inDocker ? container : undefined);
    const backend = createDockerBackend({
      engine,
      installId: options.installId,
      stopGraceSeconds: plan.stopGraceSeconds,
      adoptVolumes: plan.adoptVolumes,
      clock,
      redactor,
      ...(inDocker ? { agentAddress: "network", sharesFilesystem: false } : {}),
    });
    const trust = createHostTrust({ ...options, engine });
    const images = await openImages(engine, options, plan, trust);
    closeImages = images.close;
    const provisioner = createProvisioner({
      backend,
      imageSource: images.source,
      settings: plan,
      ensureImage: createImagePuller({ engine, platform: plan.platform, clock }),
      admission: trust.admission,
      clock,
      redactor,
    });
    return {
      host: {
        id,
        engine,
        backend,
        provisioner,
        images: images.source,
        provenanceOf: (imageId) => trust.provenanceOf(imageId),
        settings: plan,
        inDocker,
      },
      async [Symbol.asyncDispose]() {
        await images.close();
        await engine[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await closeImages?.();
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** The name of the container this process is, when the engine knows it by our host name. */
async function findOwnContainer(
  engine: DockerEngine,
  { config, signal }: OpenHostOptions,
): Promise<string | undefined> {
  if (config.inDocker === false) return undefined;
  const { hostName } = config.machine;
  const container = await engine.containers.inspect(hostName, { signal });
  // A container that only happens to be named like this machine is not this process.
  return container?.id.startsWith(hostName) === true ? container.name : undefined;
}

function completePlan(
  engine: DockerEngine,
  { settings, port }: OpenHostOptions,
  ownContainer: string | undefined,
): PlanSettings {
  const { endpoint } = engine;
  const socket = endpoint.kind === "unix" ? endpoint.address : undefined;
  const host = ownContainer ?? "host.docker.internal";
  return {
    ...settings.plan,
    ...(settings.isPlatformUrlGiven ? {} : { platformUrl: `http://${host}:${port}` }),
    ...(socket === undefined ? {} : { dockerSocketPath: socket, socketPaths: [socket] }),
  };
}

interface OpenImages {
  readonly source: ImageSource;
  readonly close: () => Promise<void>;
}

/** Pull or local build, as the environment says. */
async function openImages(
  engine: DockerEngine,
  options: OpenHostOptions,
  plan: PlanSettings,
  { recorder }: HostTrust,
): Promise<OpenImages> {
  const { clock, redactor, config } = options;
  const { registry, runtimes, pins, platform } = plan;
  if (registry.kind === "registry") {
    const { prefix } = registry;
    return {
      source: createRegistryImageSource({ engine, prefix, runtimes, pins, platform, clock }),
      close: () => Promise.resolve(),
    };
  }
  // Loaded only here: a server that pulls needs none of it.
  const [
    { createGiteaClient, credentialSecret, giteaSettingsFromEnv },
    { buildSettingsFromEnv, openImageBuilder },
    { createLocalBuildSource, localBuildSettingsFromEnv },
  ] = await Promise.all([
    import("@molecule-ai/gitea-client"),
    import("@molecule-ai/image-build"),
    import("@molecule-ai/local-build"),
  ]);
  const giteaSettings = giteaSettingsFromEnv(config.env);
  if (giteaSettings.credential !== undefined) {
    redactor.add(credentialSecret(giteaSettings.credential));
  }
  const { homeDirectory, temporaryDirectory } = config.machine;
  const gitea = createGiteaClient({ settings: giteaSettings, clock });
  const source = createLocalBuildSource({
    engine,
    installId: options.installId,
    gitea,
    builder: openImageBuilder({
      engine,
      settings: buildSettingsFromEnv(config.env, { homeDirectory }),
      repositoryId: registry.repositoryPrefix,
      clock,
      redactor,
    }),
    runtimes,
    repositoryPrefix: registry.repositoryPrefix,
    settings: localBuildSettingsFromEnv(config.env, {
      homeDir: homeDirectory,
      tmpDir: temporaryDirectory,
    }),
    platform,
    giteaSettings,
    recorder,
    redactor,
    clock,
  });
  return {
    source,
    async close() {
      await source[Symbol.asyncDispose]();
      await gitea[Symbol.asyncDispose]();
    },
  };
}
