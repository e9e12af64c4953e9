import { isProvisionerError } from "@molecule-ai/core";
import type { DockerEngine, RegistryCredential } from "@molecule-ai/docker-engine";
import type { Buildx, BuildSettings, DockerConfig, RegistryLogin } from "@molecule-ai/image-build";
import type { RegistryClient } from "@molecule-ai/registry-client";
import { openEngine } from "./compose.js";
import { openRegistryClient } from "./compose-registry.js";
import type { Environment } from "./config.js";
import { CliError } from "./errors.js";
import type { CommandContext } from "./run-command.js";

type ImageContext = Pick<CommandContext, "settings" | "signal" | "redactor" | "clock" | "onEvent">;

/** Who speaks to registries: the prefix that was named, else whom Docker is logged in as. */
export interface Registries extends AsyncDisposable {
  readonly client: RegistryClient;
  /** For pushes by the engine; undefined leaves them to its own credentials. */
  readonly credential: ((host: string) => RegistryCredential | undefined) | undefined;
}

/**
 * A client for the registries of `references`, whose credentials are those of `prefix` when one is
 * given. Throws `ERR_PUSH_CREDENTIALS` when they are not set.
 */
export async function openRegistries(
  context: ImageContext,
  references: readonly string[],
  prefix: string | undefined,
): Promise<Registries> {
  const logins = await readLogins(context, references, prefix);
  const named = new Map(logins.map(({ host, credential }) => [host, credential]));
  const client = await openRegistryClient(context, named);
  return {
    client,
    credential: prefix === undefined ? undefined : (host) => named.get(host),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** What the variables of a prefix say for the registries of some references. */
export async function readLogins(
  context: Pick<ImageContext, "settings" | "redactor" | "onEvent">,
  references: readonly string[],
  prefix: string | undefined,
): Promise<readonly RegistryLogin[]> {
  if (prefix === undefined) return [];
  const [{ resolveLogins }, { registryHost }] = await Promise.all([
    import("@molecule-ai/image-build"),
    import("@molecule-ai/registry-mode"),
  ]);
  const hosts = [...new Set(references.map((reference) => registryHost(reference)))];
  if (hosts.length > 1) {
    throw new CliError("ERR_CLI_USAGE", "--credentials are for one registry", {
      hint: `Run the command once for each of ${hosts.join(", ")}.`,
    });
  }
  const targets = hosts.map((url) => ({ url, path: "", tags: [], credentials: prefix }));
  const { logins, warnings } = resolveLogins(targets, context.settings.env);
  for (const { credential } of logins) {
    if (credential.kind === "password") context.redactor.add(credential.password);
  }
  for (const warning of warnings) context.onEvent(warning);
  return logins;
}

/** Docker's configuration for one build with buildx: these logins and no other credentials. */
export async function openBuildLogins(
  context: ImageContext,
  settings: BuildSettings,
  logins: readonly RegistryLogin[],
): Promise<DockerConfig> {
  const { createDockerConfig } = await import("@molecule-ai/image-build");
  return createDockerConfig({
    logins,
    base: settings.dockerConfigDirectory,
    parent: context.settings.temporaryDirectory,
    redactor: context.redactor,
    signal: context.signal,
  });
}

/** How the command line changes what the environment says of building. */
export interface BuildChoice {
  readonly backend?: string | undefined;
  readonly builder?: string | undefined;
}

/** What images are built with on this machine. */
export interface BuildTools {
  readonly settings: BuildSettings;
  /** Undefined when there is none. */
  readonly buildx: Buildx | undefined;
}

export async function openBuildTools(
  context: ImageContext,
  engine: DockerEngine | undefined,
  choice: BuildChoice = {},
): Promise<BuildTools> {
  const { openBuildx } = await import("@molecule-ai/image-build");
  const settings = await readBuildSettings(context, choice);
  const buildx = await openBuildx({
    settings,
    endpoint: engine?.endpoint,
    signal: context.signal,
  });
  return { settings, buildx };
}

async function readBuildSettings(
  { settings }: ImageContext,
  { backend, builder }: BuildChoice,
): Promise<BuildSettings> {
  const { buildSettingsFromEnv } = await import("@molecule-ai/image-build");
  const env: Environment = {
    ...settings.env,
    ...(backend === undefined ? {} : { MOLECULE_BUILD_BACKEND: backend }),
    ...(builder === undefined ? {} : { MOLECULE_BUILDER: builder }),
  };
  return buildSettingsFromEnv(env, { homeDirectory: settings.homeDirectory });
}

/** The engine, or why there is none: for commands that can do without. */
export async function tryEngine(
  context: ImageContext,
): Promise<
  | { readonly engine: DockerEngine; readonly failure: undefined }
  | { readonly engine: undefined; readonly failure: unknown }
> {
  try {
    return { engine: await openEngine(context), failure: undefined };
  } catch (failure) {
    if (context.signal.aborted || !isProvisionerError(failure)) throw failure;
    return { engine: undefined, failure };
  }
}
