import type { Redactor, Warning } from "@molecule-ai/core";
import { readDockerConfig, type DockerConfig } from "../docker-config.js";
import { hostOfServer, redactCredential, type RegistryCredential } from "../registry-credential.js";
import { serverOfHost } from "../registry-credential.js";
import type { EngineSettings } from "../settings.js";
import { createCredentialHelper, isHelperFailure } from "./credential-helper.js";

export interface FoundCredential {
  readonly credential: RegistryCredential | undefined;
  /** Why a credential that was configured could not be had; nothing secret in it. */
  readonly warnings: readonly Warning[];
}

/** Credentials of this user, looked up anew each time: tokens of helpers do not live long. */
export interface CredentialStore {
  /** For one registry host (`docker.io` for Docker Hub). */
  find(host: string, signal: AbortSignal | undefined): Promise<FoundCredential>;
  /** For every registry there is a credential of. */
  all(signal: AbortSignal | undefined): Promise<ReadonlyMap<string, RegistryCredential>>;
}

/**
 * In this order, as Docker does: environment, the registry's own helper, the general helper, the
 * `auths` of config.json. Every secret is registered with the redactor.
 */
export function createCredentialStore(
  settings: EngineSettings,
  redactor: Redactor,
): CredentialStore {
  const helper = createCredentialHelper(settings.childEnv);
  for (const credential of settings.credentials.values()) redactCredential(redactor, credential);

  const read = async (): Promise<DockerConfig> => {
    const config = await readDockerConfig(settings.configDirectory);
    for (const credential of config.auths.values()) redactCredential(redactor, credential);
    return config;
  };

  const ask = async (
    program: string,
    server: string,
    signal: AbortSignal | undefined,
  ): Promise<FoundCredential> => {
    try {
      const credential = await helper.get(program, server, signal);
      if (credential !== undefined) redactCredential(redactor, credential);
      return { credential, warnings: [] };
    } catch (error) {
      if (!isHelperFailure(error)) throw error;
      return { credential: undefined, warnings: [warningOf(error, server)] };
    }
  };

  const findIn = async (
    config: DockerConfig,
    host: string,
    signal: AbortSignal | undefined,
  ): Promise<FoundCredential> => {
    const given = settings.credentials.get(host);
    if (given !== undefined) return { credential: given, warnings: [] };
    const own = Object.entries(config.credHelpers).find(([key]) => hostOfServer(key) === host);
    const [server, program] = own ?? [serverOfHost(host), config.credsStore];
    const stored = config.auths.get(host);
    if (program === undefined) return { credential: stored, warnings: [] };
    const asked = await ask(program, host === "docker.io" ? serverOfHost(host) : server, signal);
    return { credential: asked.credential ?? stored, warnings: asked.warnings };
  };

  return {
    async find(host, signal) {
      return findIn(await read(), host, signal);
    },
    async all(signal) {
      const config = await read();
      const hosts = new Set([
        ...settings.credentials.keys(),
        ...config.auths.keys(),
        ...Object.keys(config.credHelpers).map(hostOfServer),
      ]);
      if (config.credsStore !== undefined) {
        const servers = await helper.list(config.credsStore, signal).catch((error: unknown) => {
          if (isHelperFailure(error)) return [];
          throw error;
        });
        for (const server of servers) hosts.add(hostOfServer(server));
      }
      const found = await Promise.all(
        [...hosts].map(async (host) => [host, await findIn(config, host, signal)] as const),
      );
      return new Map(
        found.flatMap(([host, { credential }]) =>
          credential === undefined ? [] : [[host, credential] as const],
        ),
      );
    },
  };
}

function warningOf(error: Error, server: string): Warning {
  return {
    type: "warning",
    code: "WARN_CREDENTIAL_HELPER",
    message: `no credentials for ${server}: ${error.message}`,
    hint: "Repair the credential helper, or remove it from Docker's config.json.",
  };
}
