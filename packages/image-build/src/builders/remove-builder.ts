import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { checkBuilderName, runBuilderCommand } from "./builder-command.js";
import { lockBuilder } from "./builder-lock.js";
import { forgetBuilder } from "./builder-record.js";

export interface RemoveBuilderOptions {
  readonly buildx: Buildx;
  readonly name: string;
  /** Where records of builders are kept. */
  readonly stateDirectory: string;
  /** Keeps the cache of a docker-container builder for one of the same name. Default false. */
  readonly keepCache?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Default 60 seconds. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Removes a builder, with its container and cache where it has them, and its record. False when there
 * was none. A remote daemon itself goes on. Throws `ERR_BUILDER`, `ERR_DEADLINE`.
 */
export async function removeBuilder(options: RemoveBuilderOptions): Promise<boolean> {
  checkBuilderName(options.name);
  await using _lock = await lockBuilder(options.stateDirectory, options.name, options.signal);
  const isRemoved = await removeFromBuildx(options);
  await forgetBuilder(options.stateDirectory, options.name);
  return isRemoved;
}

/** Without touching the record. */
export async function removeFromBuildx(
  options: Omit<RemoveBuilderOptions, "stateDirectory">,
): Promise<boolean> {
  const { buildx, name, signal } = options;
  checkBuilderName(name);
  const { succeeded, complaint, isUnknown } = await runBuilderCommand(buildx, {
    args: ["rm", ...(options.keepCache === true ? ["--keep-state"] : []), name],
    what: `Removing the builder ${name}`,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal,
  });
  if (succeeded) return true;
  if (isUnknown) return false;
  throw new ImageBuildError("ERR_BUILDER", `The builder ${name} cannot be removed: ${complaint}.`, {
    hint: `See what buildx itself says: docker buildx rm ${name}`,
  });
}
