export { validateConfigSource, type ConfigSource } from "./config-source.js";
export { defaultConfigYaml, type DefaultConfig } from "./config-yaml.js";
export { RESERVED_ENV_NAMES } from "./environment.js";
export {
  ImageSourceError,
  WorkspaceError,
  type ImageSourceErrorCode,
  type WorkspaceErrorCode,
} from "./errors.js";
export {
  claudeSessionVolumeName,
  configVolumeName,
  containerName,
  DEFAULT_AGENT_PORT,
  DEFAULT_NETWORK_NAME,
  internalUrl,
} from "./names.js";
export { planWorkspace, type PlanInputs } from "./plan-workspace.js";
export type * from "./provisioner.js";
export {
  provisionerSettingsFromEnv,
  type PlanSettings,
  type ProvisionerSettings,
} from "./settings.js";
export {
  readTemplate,
  type ReadTemplateOptions,
  type Template,
  type TemplateEntry,
} from "./template.js";
export type * from "./workspace-backend.js";
export type * from "./workspace-plan.js";
export type * from "./workspace-spec.js";
