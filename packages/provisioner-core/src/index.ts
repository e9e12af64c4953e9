export type { Admission, AdmissionAnswer, AdmissionQuestion } from "./admission.js";
export { validateConfigSource, type ConfigSource } from "./config-source.js";
export { defaultConfigYaml, type DefaultConfig } from "./config-yaml.js";
export { createProvisioner, type ProvisionerOptions } from "./create-provisioner.js";
export { createDockerBackend, type DockerBackendOptions } from "./docker/create-docker-backend.js";
export { RESERVED_ENV_NAMES, validateEnvironment } from "./environment.js";
export {
  ImageSourceError,
  WorkspaceError,
  type ImageSourceErrorCode,
  type WorkspaceErrorCode,
} from "./errors.js";
export {
  createImagePuller,
  type EnsureImage,
  type ImagePullerOptions,
  type PullRequest,
} from "./image-puller.js";
export { isRunning } from "./is-running.js";
export { readLogTail } from "./log-tail.js";
export {
  claudeSessionVolumeName,
  configVolumeName,
  containerName,
  DEFAULT_AGENT_PORT,
  DEFAULT_NETWORK_NAME,
  internalUrl,
} from "./names.js";
export { planWorkspace, type PlanInputs } from "./plan-workspace.js";
export type { Probe, ProbeAnswer } from "./probe.js";
export type * from "./provisioner.js";
export {
  createRegistryImageSource,
  type RegistryImageSourceOptions,
} from "./registry-image-source.js";
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
