export { cacheIdentityFromEnv, type CacheIdentity } from "./cache/cache-identity.js";
export type { CacheMode } from "./cache/cache-mode.js";
export {
  cacheSettingsFromEnv,
  parseCacheSettings,
  type CacheSettings,
  type CacheSettingsText,
} from "./cache/settings.js";
export { createImageBuilder, type ImageBuilderOptions } from "./create-image-builder.js";
export { ImageBuildError, type BuildFailure, type ImageBuildErrorCode } from "./errors.js";
export type {
  BuildContext,
  BuildLimits,
  BuildOptions,
  BuildResult,
  ImageBuilder,
} from "./image-builder.js";
export { DEFAULT_BUILD_LIMITS } from "./options.js";
