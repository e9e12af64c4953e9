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
