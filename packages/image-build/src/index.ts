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
export {
  applyCleanup,
  type ApplyCleanupOptions,
  type CleanupEnforcement,
  type CleanupOutcome,
  type CleanupResult,
} from "./hygiene/apply-cleanup.js";
export type { CleanupEvent } from "./hygiene/cleanup-event.js";
export type { CleanupItem, CleanupPlan, KeptItem } from "./hygiene/cleanup-plan.js";
export {
  CLEANUP_CLASSES,
  NO_CLEANUP,
  type CleanupClass,
  type CleanupPolicy,
} from "./hygiene/cleanup-policy.js";
export {
  cleanupSettingsFromEnv,
  parseCleanupSettings,
  type CleanupSettings,
} from "./hygiene/cleanup-settings.js";
export {
  readEngineDisk,
  shouldClean,
  type CleanupDue,
  type CleanupTrigger,
  type DiskSpace,
} from "./hygiene/disk-space.js";
export {
  readCleanupInventory,
  type CleanupInventory,
  type InventoryContainer,
  type InventoryImage,
  type InventoryNetwork,
} from "./hygiene/inventory.js";
export { planCleanup } from "./hygiene/plan-cleanup.js";
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
