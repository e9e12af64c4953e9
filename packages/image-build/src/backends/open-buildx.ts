import type { EngineEndpoint } from "@molecule-ai/docker-engine";
import { access, constants } from "node:fs/promises";
import { posix } from "node:path";
import { createBuildx, type Buildx, type BuildxCommand } from "../buildx/buildx.js";
import type { BuildSettings } from "./settings.js";

/** Docker's plugin directories of a system, after the user's own. */
const PLUGIN_DIRECTORIES = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
];
const PROBE_TIMEOUT_MS = 10_000;

/**
 * Finds buildx: the file that was named, else `docker-buildx` on PATH, in Docker's plugin directories,
 * else the `docker` on PATH when it has the plugin. It is bound to the engine at `endpoint`, so that
 * its docker driver and the engine that runs the image are one. Undefined when there is none; a file
 * that was named is taken unseen, and fails with `ERR_BUILDX_MISSING` at its first use.
 */
export async function openBuildx(options: {
  readonly settings: BuildSettings;
  readonly endpoint?: EngineEndpoint | undefined;
  readonly signal: AbortSignal;
}): Promise<Buildx | undefined> {
  const { settings, endpoint, signal } = options;
  const env = buildxEnvironment(settings, endpoint);
  const path = (env["PATH"] ?? "").split(":").filter((directory) => posix.isAbsolute(directory));
  const open = (command: BuildxCommand): Buildx => createBuildx({ command, env });
  if (settings.buildxPath !== undefined) return open({ file: settings.buildxPath, args: [] });

  const plugins = [
    posix.join(settings.dockerConfigDirectory, "cli-plugins"),
    ...PLUGIN_DIRECTORIES,
  ];
  for (const directory of [...path, ...plugins]) {
    const file = posix.join(directory, "docker-buildx");
    if (await isExecutable(file)) return open({ file, args: [] });
  }
  for (const directory of path) {
    const file = posix.join(directory, "docker");
    if (!(await isExecutable(file))) continue;
    const buildx = open({ file, args: ["buildx"] });
    return (await answers(buildx, signal)) ? buildx : undefined;
  }
  return undefined;
}

/** The builder of buildx that is the engine itself. */
export function engineBuilderName(
  settings: BuildSettings,
  endpoint: EngineEndpoint | undefined,
): string {
  return contextOf(settings, endpoint) ?? "default";
}

/**
 * How buildx is told of the engine when it makes a builder there; undefined for one that is reached
 * with TLS variables, which buildx keeps with no builder.
 */
export function dockerEndpointOf(
  settings: BuildSettings,
  endpoint: EngineEndpoint,
): string | undefined {
  const context = contextOf(settings, endpoint);
  if (context !== undefined) return context;
  if (endpoint.kind === "tls" || endpoint.kind === "npipe") return undefined;
  return settings.dockerHost ?? `${endpoint.kind}://${endpoint.address}`;
}

/** The environment of a buildx that speaks to the engine at `endpoint`. */
export function buildxEnvironment(
  settings: BuildSettings,
  endpoint: EngineEndpoint | undefined,
): Readonly<Record<string, string>> {
  const isNamed = settings.dockerHost !== undefined || contextOf(settings, endpoint) !== undefined;
  if (isNamed || endpoint?.kind !== "unix") return settings.childEnv;
  // Found by us at a place where buildx would not look.
  return { ...settings.childEnv, DOCKER_HOST: `unix://${endpoint.address}` };
}

/** Docker's name of a context is also the name of its builder. */
function contextOf(
  settings: BuildSettings,
  endpoint: EngineEndpoint | undefined,
): string | undefined {
  if (settings.dockerHost !== undefined) return undefined;
  const named = /^context "(.+)"$/.exec(endpoint?.origin ?? "")?.[1] ?? settings.dockerContext;
  return named === "default" ? undefined : named;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function answers(buildx: Buildx, signal: AbortSignal): Promise<boolean> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
  try {
    await buildx.version(limited);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
