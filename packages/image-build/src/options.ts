import { parseImageReference } from "@molecule-ai/registry-mode";
import { ImageBuildError } from "./errors.js";
import type { BuildLimits, BuildOptions } from "./image-builder.js";

/** {@link BuildLimits} with every default in place; `undefined` means no limit. */
export interface ResolvedBuildLimits {
  readonly memoryBytes: number | undefined;
  readonly cpus: number | undefined;
  readonly contextBytes: number;
  readonly contextFiles: number;
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/** The defaults of {@link BuildLimits}. */
export const DEFAULT_BUILD_LIMITS: Readonly<
  Required<Pick<ResolvedBuildLimits, "contextBytes" | "contextFiles">> &
    Pick<ResolvedBuildLimits, "idleTimeoutMs" | "totalTimeoutMs">
> = {
  contextBytes: 1024 ** 3,
  contextFiles: 100_000,
  idleTimeoutMs: 10 * 60_000,
  totalTimeoutMs: 60 * 60_000,
};

export const DEFAULT_DOCKERFILE = "Dockerfile";

export function resolveLimits(limits: BuildLimits = {}): ResolvedBuildLimits {
  for (const [name, value] of Object.entries(limits) as [string, number | undefined][]) {
    if (value !== undefined && !(value > 0)) refuse(`the limit ${name} must be above zero`);
  }
  return {
    memoryBytes: limits.memoryBytes,
    cpus: limits.cpus,
    contextBytes: limits.contextBytes ?? DEFAULT_BUILD_LIMITS.contextBytes,
    contextFiles: limits.contextFiles ?? DEFAULT_BUILD_LIMITS.contextFiles,
    idleTimeoutMs: limits.idleTimeoutMs ?? DEFAULT_BUILD_LIMITS.idleTimeoutMs,
    totalTimeoutMs: limits.totalTimeoutMs ?? DEFAULT_BUILD_LIMITS.totalTimeoutMs,
  };
}

/** Refuses, before anything is read or sent, what the engine would refuse after the build. */
export function checkOptions(options: BuildOptions): void {
  if (options.tags.length === 0) refuse("a build needs at least one tag");
  for (const tag of options.tags) {
    if (parseImageReference(tag).digest !== undefined) {
      refuse(`${tag} has a digest: what is built is named by a tag`);
    }
  }
  for (const [what, values] of [
    ["label", options.labels],
    ["build argument", options.buildArgs],
  ] as const) {
    for (const [key, value] of Object.entries(values ?? {})) {
      if (key === "" || /[=\0]/.test(key) || value.includes("\0")) {
        refuse(`${JSON.stringify(key)} cannot be a ${what}`);
      }
    }
  }
  const epoch = options.sourceDateEpoch ?? 0;
  // Eleven octal digits: what a tar header holds.
  if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch > 0o77777777777) {
    refuse("sourceDateEpoch must be whole seconds since 1970");
  }
}

function refuse(reason: string): never {
  throw new ImageBuildError("ERR_BUILD_OPTIONS", `The build cannot start: ${reason}.`, {
    hint: "Correct that option and build again.",
  });
}
