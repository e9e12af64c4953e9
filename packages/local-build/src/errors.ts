import {
  isProvisionerError,
  ProvisionerError,
  type JsonObject,
  type ProvisionerErrorOptions,
} from "@molecule-ai/core";

export type LocalBuildErrorCode =
  /** The head commit of the template could not be learnt. */
  | "ERR_LOCAL_BUILD_HEAD"
  /** The files of the commit could not be fetched, neither by git nor as an archive. */
  | "ERR_LOCAL_BUILD_CHECKOUT"
  /** What arrived is not the commit that was asked for. */
  | "ERR_LOCAL_BUILD_COMMIT_MISMATCH"
  /** The template holds something that must not reach the disk: a link out of the tree, a device … */
  | "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE"
  /** The template is larger, or has more files, than the limit. */
  | "ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE"
  /** There is no regular file `Dockerfile` in the template. */
  | "ERR_LOCAL_BUILD_NO_DOCKERFILE"
  /** The build failed; details carry what the builder knows. */
  | "ERR_LOCAL_BUILD_FAILED"
  /** The build went well, and the image went somewhere else than into the engine. */
  | "ERR_LOCAL_BUILD_NOT_LOADED"
  /** Offline start was asked for and this machine does not have what it takes. */
  | "ERR_LOCAL_BUILD_OFFLINE"
  /** The cache directory cannot be used. */
  | "ERR_LOCAL_BUILD_CACHE"
  /** A setting has a value that means nothing. */
  | "ERR_LOCAL_BUILD_SETTINGS";

/** Every failure of this package that is not an abort, a deadline or an error of the engine. */
export class LocalBuildError extends ProvisionerError<LocalBuildErrorCode> {
  constructor(code: LocalBuildErrorCode, message: string, options: ProvisionerErrorOptions = {}) {
    super(code, message, options);
  }
}

/** Says what could not be done, and keeps everything the cause knows. */
export function wrapFailure(
  code: LocalBuildErrorCode,
  message: string,
  cause: unknown,
  details: JsonObject,
  alternative?: string,
): LocalBuildError {
  const known = isProvisionerError(cause) ? cause : undefined;
  const why = cause instanceof Error ? cause.message : String(cause);
  const hints = [known?.hint, alternative].filter((hint) => hint !== undefined);
  return new LocalBuildError(code, `${message}: ${why}`, {
    hint: hints.length === 0 ? undefined : hints.join(" "),
    retryable: known?.retryable,
    details: { ...known?.details, ...details, ...(known && { causeCode: known.code }) },
    cause,
  });
}

/** The cache directory failed us. */
export function cacheFailure(directory: string, why: string, cause?: unknown): LocalBuildError {
  return new LocalBuildError("ERR_LOCAL_BUILD_CACHE", `The build cache ${directory} ${why}.`, {
    hint: "Set MOLECULE_LOCAL_BUILD_CACHE to a directory of your own with room in it.",
    details: { directory },
    ...(cause === undefined ? {} : { cause }),
  });
}
