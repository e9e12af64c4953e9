export { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";
export type {
  GiteaClient,
  HeadOptions,
  ServerVersion,
  TemplateHead,
  TemplateRepository,
} from "./client.js";
export { createGiteaClient } from "./create-gitea-client.js";
export {
  apiAuthorization,
  credentialOfUrl,
  credentialSecret,
  gitAuthorization,
  parseToken,
  type GiteaCredential,
} from "./credential.js";
export { GiteaError, type GiteaErrorCode } from "./errors.js";
export type { GiteaClientOptions } from "./options.js";
export { branchUrl, parseRepository, templateRepository } from "./repository.js";
export { credentialFor, giteaSettingsFromEnv, type GiteaSettings } from "./settings.js";
