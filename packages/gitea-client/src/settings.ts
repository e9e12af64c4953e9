import { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";
import type { TemplateRepository } from "./client.js";
import { credentialOfUrl, parseToken, type GiteaCredential } from "./credential.js";
import { templateRepository } from "./repository.js";

/** Who asks, and who may know it. */
export interface GiteaSettings {
  /** The only `scheme://host[:port]` the credential is sent to. */
  readonly origin: string | undefined;
  readonly credential: GiteaCredential | undefined;
}

/**
 * Reads `MOLECULE_GITEA_TOKEN` and `MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX`. The token belongs to the
 * origin of the prefix; without a token, userinfo in the prefix is the credential. Empty means unset.
 *
 * @throws `ERR_GITEA_TOKEN_INVALID`, `ERR_GITEA_URL_INVALID`
 */
export function giteaSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
): GiteaSettings {
  const prefix = env["MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX"] || DEFAULT_TEMPLATE_REPOSITORY_PREFIX;
  return {
    origin: templateRepository(prefix, "runtime").origin,
    credential:
      parseToken(env["MOLECULE_GITEA_TOKEN"], "MOLECULE_GITEA_TOKEN") ?? credentialOfUrl(prefix),
  };
}

/** The credential that may be shown to the server of a repository, if there is one. */
export function credentialFor(
  settings: GiteaSettings,
  repository: TemplateRepository,
): GiteaCredential | undefined {
  return repository.origin === settings.origin ? settings.credential : undefined;
}
