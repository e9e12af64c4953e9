export { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";
export { closestName } from "./closest-name.js";
export { parseChallenges, type Challenge } from "./challenge.js";
export { RegistryModeError, type RegistryModeErrorCode } from "./errors.js";
export { imagePinsFromEnv, type ImagePins } from "./image-pins.js";
export {
  familiarName,
  familiarReference,
  formatImageReference,
  isDigest,
  parseImageReference,
  registryHost,
  type ImageReference,
} from "./image-reference.js";
export type { EnsureImageOptions, ImageSource, ResolvedImage } from "./image-source.js";
export {
  formatPlatform,
  normalisePlatform,
  parsePlatform,
  platformDecision,
  type Platform,
  type PlatformDecisionOptions,
} from "./platform.js";
export {
  DEFAULT_REGISTRY_PREFIX,
  registryPrefixFromEnv,
  resolveRegistry,
  templateRepositoryUrl,
  type Environment,
  type RegistryChoice,
} from "./registry.js";
export {
  isMovingTag,
  LOCAL_IMAGE_PREFIX,
  localImageLatestTag,
  localImageTag,
  localRepository,
  pinnedImage,
  runtimeImage,
  runtimeOfImage,
} from "./runtime-image.js";
export { isRuntimeName } from "./runtime-name.js";
export {
  createRuntimeRegistry,
  DEFAULT_RUNTIME,
  KNOWN_RUNTIMES,
  runtimesFromEnv,
  templateRefVariable,
  type Runtime,
  type RuntimeRegistry,
  type RuntimeRegistryOptions,
} from "./runtimes.js";
export { selectImage, type SelectImageOptions } from "./select-image.js";
export { isTemplateRef, parseTemplateRef } from "./template-ref.js";
