import { ImageBuildError } from "../errors.js";

export function cacheSettingsError(
  message: string,
  hint: string,
  cause?: unknown,
): ImageBuildError {
  return new ImageBuildError("ERR_BUILD_CACHE_SETTINGS", message, { hint, cause });
}
