export { cacheIdentityFromEnv, type CacheIdentity } from "./cache/cache-identity.js";
export type { CacheMode } from "./cache/cache-mode.js";
export {
  cacheSettingsFromEnv,
  parseCacheSettings,
  type CacheSettings,
  type CacheSettingsText,
} from "./cache/settings.js";
export type { BackendCapabilities, BuildBackend } from "./backends/backend.js";
export { createBuildx, type Buildx, type BuildxSettings } from "./buildx/buildx.js";
export type { BackendResolver } from "./chosen-backend.js";
export {
  createImageBuilder,
  type ImageBuilderOptions,
  type RegistryAccess,
} from "./create-image-builder.js";
export { ImageBuildError, type BuildFailure, type ImageBuildErrorCode } from "./errors.js";
export type {
  BuildAttestations,
  BuildCache,
  BuildContext,
  BuildLimits,
  BuildOptions,
  BuildOutput,
  BuildResult,
  BuildSecret,
  BuildSsh,
  ImageBuilder,
  NamedContext,
} from "./image-builder.js";
export { DEFAULT_BUILD_LIMITS } from "./options.js";
