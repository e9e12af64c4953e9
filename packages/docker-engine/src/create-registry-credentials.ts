import type { EventSink, Redactor, Warning } from "@molecule-ai/core";
import { createCredentialStore } from "./internal/credential-store.js";
import type { RegistryCredential } from "./registry-credential.js";
import type { EngineSettings } from "./settings.js";

export interface RegistryCredentialsOptions {
  readonly settings: EngineSettings;
  /** Learns every secret. */
  readonly redactor: Redactor;
  /** Told of a credential that was configured and could not be had. */
  readonly onEvent?: EventSink<Warning> | undefined;
}

/** Looks up who asks, by registry host as it stands in references. */
export type RegistryCredentials = (
  host: string,
  options?: { readonly signal?: AbortSignal | undefined },
) => Promise<RegistryCredential | undefined>;

/**
 * The credentials that pulls and pushes of the engine use, for speaking to a registry without one:
 * looked up anew at each call, since tokens of helpers do not live long.
 */
export function createRegistryCredentials(
  options: RegistryCredentialsOptions,
): RegistryCredentials {
  const store = createCredentialStore(options.settings, options.redactor);
  return async (host, { signal } = {}) => {
    const { credential, warnings } = await store.find(host, signal);
    for (const warning of warnings) options.onEvent?.(warning);
    return credential;
  };
}
