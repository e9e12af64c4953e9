import type { Redactor } from "@molecule-ai/core";
import type { RegistryCredential } from "@molecule-ai/docker-engine";
import {
  createRegistryClient,
  isRegistryError,
  type RegistryClient,
} from "@molecule-ai/registry-client";
import { mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { ImageBuildError } from "../errors.js";
import type { RegistryLogin } from "./credentials.js";
import {
  CONFIG_PREFIX,
  HEARTBEAT_MS,
  markOwner,
  sweepDockerConfigs,
} from "./docker-config-sweep.js";

export interface DockerConfigOptions {
  /** All registries of the operation, of all its steps. */
  readonly logins: readonly RegistryLogin[];
  /**
   * Docker's own configuration directory: its contexts and plugins stay in use, its credentials do
   * not. Without it there are none.
   */
  readonly base?: string | undefined;
  /** Where the directory is made; default the system's temporary directory. */
  readonly parent?: string | undefined;
  /**
   * Tries every login at its registry first, with this client's settings or one of its own. Default
   * true; false where the registry can be reached by the builder only.
   */
  readonly verify?: boolean | undefined;
  /** Hosts that are spoken to without TLS, besides those of this machine. */
  readonly insecureHosts?: readonly string[] | undefined;
  readonly redactor?: Redactor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Docker's configuration for one operation, in a directory only its owner may enter. It knows the
 * registries of that operation and nobody else's; disposing it removes it.
 */
export interface DockerConfig extends AsyncDisposable {
  readonly directory: string;
  /** What a program is given to use it. */
  readonly env: Readonly<Record<"DOCKER_CONFIG", string>>;
  /** For pushes by the engine, and for registry clients: what applies to a host. */
  readonly credential: (host: string) => RegistryCredential | undefined;
}

/** What is neither credentials nor how output looks, and that other programs find by this directory. */
const LINKED = ["contexts", "cli-plugins", "buildx"] as const;
const HUB_SERVER = "https://index.docker.io/v1/";

/**
 * Logs in for one operation. Wrong credentials are refused here, before anything is built: throws
 * `ERR_PUSH_CREDENTIALS`, or the `RegistryError` of a registry that cannot be asked. What earlier
 * processes left when they were killed is removed.
 */
export async function createDockerConfig(options: DockerConfigOptions): Promise<DockerConfig> {
  const { logins, signal, redactor } = options;
  const parent = resolve(options.parent ?? tmpdir());
  for (const { credential } of logins) redactor?.add(secretOf(credential));
  signal?.throwIfAborted();
  if (options.verify !== false) await verifyLogins(options);
  await sweepDockerConfigs(parent);

  const directory = await mkdtemp(join(parent, CONFIG_PREFIX));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    await markOwner(directory);
    if (options.base !== undefined) await linkBase(options.base, directory);
    const content = {
      auths: Object.fromEntries(
        logins.map(({ host, credential }) => [
          host === "docker.io" ? HUB_SERVER : host,
          authOf(credential),
        ]),
      ),
      ...(await currentContext(options.base)),
    };
    await writeFile(join(directory, "config.json"), JSON.stringify(content), {
      mode: 0o600,
      flag: "wx",
    });
    signal?.throwIfAborted();
  } catch (error) {
    await remove();
    throw error;
  }

  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(directory, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const byHost = new Map(logins.map(({ host, credential }) => [host, credential]));
  return {
    directory,
    env: { DOCKER_CONFIG: directory },
    credential: (host) => byHost.get(host),
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      await remove();
    },
  };
}

async function verifyLogins({
  logins,
  insecureHosts,
  redactor,
  signal,
}: DockerConfigOptions): Promise<void> {
  if (logins.length === 0) return;
  const byHost = new Map(logins.map(({ host, credential }) => [host, credential]));
  await using client = createRegistryClient({
    credentials: (host) => Promise.resolve(byHost.get(host)),
    insecureHosts,
    redactor,
  });
  for (const login of logins) await verifyLogin(client, login, signal);
}

async function verifyLogin(
  client: RegistryClient,
  { host, credential, origin }: RegistryLogin,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await client.ping(host, { signal });
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    if (cause.code !== "ERR_REGISTRY_UNAUTHORIZED" && cause.code !== "ERR_REGISTRY_FORBIDDEN") {
      throw cause;
    }
    const who = credential.kind === "password" ? `user ${credential.username}` : "its token";
    throw new ImageBuildError(
      "ERR_PUSH_CREDENTIALS",
      `Registry ${host} does not accept the credentials "${origin}" (${who}).`,
      {
        hint: `Check ${origin.toUpperCase()}_USER and ${origin.toUpperCase()}_TOKEN: the secret may be wrong, expired or of another registry.`,
        details: { registry: host, credentials: origin },
        cause,
      },
    );
  }
}

/** Contexts and plugins are used where they are. */
async function linkBase(base: string, directory: string): Promise<void> {
  for (const name of LINKED) {
    const target = resolve(base, name);
    const found = await stat(target).catch(() => undefined);
    if (found?.isDirectory() === true) await symlink(target, join(directory, name), "dir");
  }
}

const CURRENT = z.looseObject({ currentContext: z.string().min(1) });

/** The context in use decides which engine is meant; a file that cannot be read names none. */
async function currentContext(
  base: string | undefined,
): Promise<{ readonly currentContext?: string }> {
  if (base === undefined) return {};
  try {
    const { currentContext: name } = CURRENT.parse(
      JSON.parse(await readFile(join(base, "config.json"), "utf8")),
    );
    return { currentContext: name };
  } catch {
    return {};
  }
}

function authOf(credential: RegistryCredential): Readonly<Record<string, string>> {
  if (credential.kind === "identity-token") return { identitytoken: credential.token };
  const pair = `${credential.username}:${credential.password}`;
  return { auth: Buffer.from(pair, "utf8").toString("base64") };
}

function secretOf(credential: RegistryCredential): string {
  return credential.kind === "password" ? credential.password : credential.token;
}
