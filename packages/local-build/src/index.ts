export type { BuildRecorder, RecordedBuild } from "./build-recorder.js";
export { cacheKey } from "./cache-key.js";
export type { CollectedItem, CollectOptions, CollectResult } from "./collect.js";
export { LocalBuildError, type LocalBuildErrorCode } from "./errors.js";
export type { TemplateLimits } from "./limits.js";
export {
  createLocalBuildSource,
  type LocalBuildOptions,
  type LocalBuildSource,
} from "./local-build-source.js";
export type { LocalImage } from "./local-images.js";
export { pushedAs } from "./pushed-as.js";
export {
  localBuildSettingsFromEnv,
  type CollectionLimits,
  type LocalBuildSettings,
  type LocalBuildTimeouts,
} from "./settings.js";
export type { TemplateCheckout } from "./template-checkout.js";
