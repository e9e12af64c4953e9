export { resolveBranch, type BranchFacts } from "./cache/branch.js";
export {
  planBuildkitPrune,
  pruneBuildkit,
  readBuilderUsage,
  type BuildkitPruneOptions,
  type BuildkitPruneResult,
  type BuildkitRetentionRule,
  type PruneFlags,
} from "./cache/buildkit-prune.js";
export type { BuilderUsage } from "./cache/builder-usage.js";
export {
  cacheIdentityFromEnv,
  type CacheIdentity,
  type CacheIdentityFacts,
} from "./cache/cache-identity.js";
export { renderCacheInfo, resolveCacheInfo, type CacheInfo } from "./cache/cache-info.js";
export type { CacheMode } from "./cache/cache-mode.js";
export type { CachePlane, CacheRef, CacheResolution, CacheVerdict } from "./cache/cache-ref.js";
export { cacheRepositoryOf, type CacheTarget } from "./cache/cache-repository.js";
export {
  buildCacheTag,
  cacheTagScope,
  formatCacheTag,
  isCacheTag,
  parseCacheTag,
  type CacheTag,
} from "./cache/cache-tag.js";
export { canonicalizeRef } from "./cache/canonical-ref.js";
export { readGitFacts, type GitFacts } from "./cache/git-facts.js";
export {
  enforceLocalRetentionBelow,
  listLocalCaches,
  type LocalCacheSummary,
} from "./cache/list-local-caches.js";
export { localCacheDirectory, probeLocalCache, type LocalCache } from "./cache/local-cache.js";
export {
  enforceLocalRetention,
  type LocalRetentionOptions,
  type LocalRetentionResult,
} from "./cache/local-retention.js";
export {
  listRegistryCaches,
  type RegistryCacheEntry,
  type RegistryCacheList,
} from "./cache/registry-cache.js";
export {
  enforceRegistryRetention,
  type RegistryRetentionOptions,
  type RegistryRetentionResult,
} from "./cache/registry-retention.js";
export { resolveRepositoryId, type RepositoryFacts } from "./cache/repository-id.js";
export {
  cacheSettingsFromEnv,
  parseCacheSettings,
  type CacheSettings,
  type CacheSettingsText,
  type ExternalCacheRetentionRule,
  type LocalCacheRetentionRule,
} from "./cache/settings.js";
export { planCache, type CachePlan, type CachePlanOptions } from "./cache/plan-cache.js";
export type {
  BackendCandidate,
  BackendCapabilities,
  BuildBackend,
  BuildBackendName,
  BuilderDriver,
} from "./backends/backend.js";
export { createBackendResolver, type BackendResolverOptions } from "./backends/backend-resolver.js";
export type { BuildkitEndpoint } from "./backends/buildkit-endpoint.js";
export { explainBackend, type ExplainBackendOptions } from "./backends/explain-backend.js";
export { openBuildx } from "./backends/open-buildx.js";
export { probeBuildkit, probeEngine, type Probe, type ProbeOptions } from "./backends/probe.js";
export { resolveBackend, type ResolveBackendOptions } from "./backends/resolve-backend.js";
export {
  BACKEND_CHOICES,
  buildSettingsFromEnv,
  type BackendChoice,
  type BuilderLimits,
  type BuildSettings,
  type BuildSettingsSource,
  type RemoteBuildkit,
} from "./backends/settings.js";
export type { SurveyOptions } from "./backends/survey.js";
export type {
  BuilderAction,
  BuilderGcRule,
  BuilderInfo,
  BuilderNode,
  EnsuredBuilder,
} from "./builders/builder-info.js";
export { builderName } from "./builders/builder-name.js";
export type { BuilderRequest } from "./builders/create-args.js";
export { ensureBuilder, type EnsureBuilderOptions } from "./builders/ensure-builder.js";
export {
  parseBuilderConfig,
  renderBuilderConfig,
  type BuilderConfig,
  type GcRule,
  type RegistrySettings,
  type RenderConfigOptions,
} from "./builders/gc-policy.js";
export { inspectBuilder, type InspectBuilderOptions } from "./builders/inspect.js";
export { listBuilders, type ListBuildersOptions } from "./builders/list-builders.js";
export { removeBuilder, type RemoveBuilderOptions } from "./builders/remove-builder.js";
export { renderBuilder, type RenderBuilderOptions } from "./builders/render-builder.js";
export { checkBuild, type CheckBuildOptions } from "./buildx/check-build.js";
export type { CheckFinding, CheckReport } from "./buildx/check-report.js";
export { createBuildx, type Buildx, type BuildxSettings } from "./buildx/buildx.js";
export { createRawjsonProgress } from "./buildx/rawjson-progress.js";
export type { BuildOutcome, BuildProgress } from "./progress/build-progress.js";
export type { BuildProgressOptions } from "./progress/trace-follower.js";
export type { BackendResolver } from "./chosen-backend.js";
export {
  createImageBuilder,
  type ImageBuilderOptions,
  type RegistryAccess,
} from "./create-image-builder.js";
export { ImageBuildError, type BuildFailure, type ImageBuildErrorCode } from "./errors.js";
export type { BuildErrorEntry } from "./failure/build-error-entry.js";
export { surfaceErrors, type ErrorSurface, type SurfaceOptions } from "./failure/error-surface.js";
export { parseBuildErrors, type ParsedBuildErrors } from "./failure/parse-build-errors.js";
export { renderBuildError } from "./failure/render-error.js";
export {
  applyCleanup,
  type ApplyCleanupOptions,
  type CleanupEnforcement,
  type CleanupResult,
} from "./hygiene/apply-cleanup.js";
export type { CleanupOutcome } from "./hygiene/cleanup-outcome.js";
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
export { openImageBuilder, type OpenImageBuilderOptions } from "./open-image-builder.js";
export { DEFAULT_BUILD_LIMITS } from "./options.js";
export {
  planOutput,
  summarizePlan,
  type OutputPlan,
  type OutputRequest,
} from "./output-strategy.js";
export { autoBuildArgs, type SourceFacts } from "./plan/auto-build-args.js";
export {
  isTargetAllowed,
  type ConditionPolicies,
  type TargetConditions,
} from "./plan/conditions.js";
export { summarizeDockerfile, type DockerfileSummary } from "./plan/dockerfile-summary.js";
export { digestContext, hashPlan, type PlanStep } from "./plan/plan-hash.js";
export { substituteStageName } from "./plan/stage-name.js";
export { standardLabels, type StandardLabelsOptions } from "./plan/standard-labels.js";
export { loadImages, saveImages } from "./publish/archive-file.js";
export { publishedOfMetadata, verifyPublished } from "./publish/buildx-published.js";
export {
  credentialOfPrefix,
  resolveLogins,
  type PrefixCredential,
  type RegistryLogin,
} from "./publish/credentials.js";
export {
  resolvePublishedDigest,
  type DigestSource,
  type PublishedDigest,
  type PublishedDigestOptions,
} from "./publish/digests.js";
export { sweepDockerConfigs } from "./publish/docker-config-sweep.js";
export {
  createDockerConfig,
  type DockerConfig,
  type DockerConfigOptions,
} from "./publish/docker-config.js";
export { mergePublished } from "./publish/merge-published.js";
export {
  copyImage,
  promoteImage,
  type CopyImageOptions,
  type PromoteOptions,
} from "./publish/promote.js";
export { detectProvider } from "./publish/provider.js";
export type { PublishEvent } from "./publish/publish-event.js";
export { publishImages, type PublishOptions } from "./publish/publish-images.js";
export type { PublishManifest } from "./publish/publish-manifest.js";
export { readPublishManifest, writePublishManifest } from "./publish/publish-manifest-file.js";
export type { AttestationRecord, BuildInstance, PublishedImage } from "./publish/published.js";
export { PushError, summarizePushFailure, type PushedTag } from "./publish/push-error.js";
export {
  classifyPushFailure,
  describePushFailure,
  isHarborProjectMissing,
  type PushFailure,
  type PushFailureClass,
} from "./publish/push-failure.js";
export type { BuildLayer } from "./progress/build-layer.js";
export { renderBuildLayers } from "./progress/render-layers.js";
export { pushTags, type PushTagsOptions } from "./publish/push.js";
export { normalizeRegistryHost } from "./publish/registry-host.js";
export {
  collectRemoteTags,
  type PublishStep,
  type RegistryTarget,
} from "./publish/registry-target.js";
