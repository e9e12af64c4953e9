import { systemClock, type Clock } from "@molecule-ai/core";
import { checkBuilderName, runBuilderCommand } from "../builders/builder-command.js";
import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { formatGoDuration } from "../units/duration.js";
import {
  parseReclaimed,
  parseUsageJson,
  parseUsageText,
  type BuilderUsage,
} from "./builder-usage.js";

/** What may stay in the cache of a builder. A limit that is absent or zero is none. */
export interface BuildkitRetentionRule {
  /** Records nobody used for longer go. */
  readonly maxAgeMs?: number | undefined;
  /** Records go, longest unused first, until all fit. */
  readonly maxUsedBytes?: number | undefined;
  /** Never less than this stays for the sake of the other limits. */
  readonly reservedBytes?: number | undefined;
  /** Records go until the builder's disk has this much free. */
  readonly minFreeBytes?: number | undefined;
}

export interface BuildkitPruneOptions extends BuildkitRetentionRule {
  readonly buildx: Buildx;
  readonly builder: string;
  readonly clock?: Clock | undefined;
  /** Of each command; default 10 minutes. */
  readonly timeoutMs?: number | undefined;
  readonly signal: AbortSignal;
}

export interface BuildkitPruneResult {
  readonly builder: string;
  /** Arguments of every `buildx prune` that ran. */
  readonly commands: readonly (readonly string[])[];
  readonly reclaimedBytes: number;
  /** Undefined when the builder did not say. */
  readonly usageBefore: BuilderUsage | undefined;
  readonly usageAfter: BuilderUsage | undefined;
  readonly durationMs: number;
  /** Why nothing ran. */
  readonly skipReason: string | undefined;
}

/** The flags that buildx has for what may stay: the newer three, or the one before them. */
export type PruneFlags = "spaces" | "keep-storage";

const DEFAULT_TIMEOUT_MS = 600_000;
const USAGE_TIMEOUT_MS = 60_000;

/**
 * The arguments of `buildx prune` for a rule: one command for age and one for space, because in one
 * command a record must break both rules to go. Throws `ERR_BUILD_BACKEND` for a rule that this buildx
 * cannot carry out.
 */
export function planBuildkitPrune(
  builder: string,
  rule: BuildkitRetentionRule,
  flags: PruneFlags,
): readonly (readonly string[])[] {
  const { maxAgeMs = 0, maxUsedBytes = 0, reservedBytes = 0, minFreeBytes = 0 } = rule;
  const prune = ["prune", "--builder", builder, "--force"];
  const space: string[] = [];
  if (flags === "spaces") {
    if (reservedBytes > 0) space.push("--reserved-space", String(reservedBytes));
    if (maxUsedBytes > 0) space.push("--max-used-space", String(maxUsedBytes));
    if (minFreeBytes > 0) space.push("--min-free-space", String(minFreeBytes));
  } else {
    if (minFreeBytes > 0) {
      throw new ImageBuildError(
        "ERR_BUILD_BACKEND",
        "This buildx cannot prune until a disk has space free.",
        { hint: "Give a largest size of the cache instead, or install a newer buildx." },
      );
    }
    const keep = Math.max(maxUsedBytes, reservedBytes);
    if (keep > 0) space.push("--keep-storage", String(keep));
  }
  // Reserved space alone limits nothing that the newer flags would prune.
  const limitsSpace = flags === "spaces" ? maxUsedBytes + minFreeBytes > 0 : maxUsedBytes > 0;
  return [
    ...(maxAgeMs > 0 ? [[...prune, "--filter", `until=${formatGoDuration(maxAgeMs)}`]] : []),
    ...(limitsSpace ? [[...prune, ...space]] : []),
  ];
}

/**
 * Prunes the cache inside a builder, of all repositories that use it. What `until` means is the last
 * use, as BuildKit counts it. Throws `ERR_BUILDX_FAILED` when a command fails, `ERR_BUILD_BACKEND`,
 * `ERR_BUILDER` for a name that is none, `ERR_DEADLINE`; on abort with its reason.
 */
export async function pruneBuildkit(options: BuildkitPruneOptions): Promise<BuildkitPruneResult> {
  const { builder, clock = systemClock, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  checkBuilderName(builder);
  const started = clock.now();
  const wanted = planBuildkitPrune(builder, options, "spaces");
  if (wanted.length === 0) {
    return {
      builder,
      commands: [],
      reclaimedBytes: 0,
      usageBefore: undefined,
      usageAfter: undefined,
      durationMs: 0,
      skipReason: "no retention policy configured",
    };
  }
  const hasSpaces = await offersFlag(options, "prune", "--max-used-space");
  const commands = hasSpaces ? wanted : planBuildkitPrune(builder, options, "keep-storage");
  const usageBefore = await readBuilderUsage(options);
  let reclaimedBytes = 0;
  for (const args of commands) {
    const what = `Pruning the cache of the builder ${builder}`;
    const { succeeded, stdout, complaint } = await runBuilderCommand(options.buildx, {
      args,
      what,
      timeoutMs,
      signal: options.signal,
    });
    if (!succeeded) throw failure(what, complaint);
    reclaimedBytes += parseReclaimed(stdout) ?? 0;
  }
  const usageAfter = await readBuilderUsage(options);
  return {
    builder,
    commands,
    reclaimedBytes,
    usageBefore,
    usageAfter,
    durationMs: clock.now() - started,
    skipReason: undefined,
  };
}

/** What the cache of a builder takes up; undefined when the builder does not say. */
export async function readBuilderUsage(
  options: Pick<BuildkitPruneOptions, "buildx" | "builder" | "signal">,
): Promise<BuilderUsage | undefined> {
  const { buildx, builder, signal } = options;
  checkBuilderName(builder);
  const json = await offersFlag(options, "du", "--format");
  const { succeeded, stdout } = await runBuilderCommand(buildx, {
    args: ["du", "--builder", builder, ...(json ? ["--format", "json"] : [])],
    what: `Asking the builder ${builder} for its disk usage`,
    timeoutMs: USAGE_TIMEOUT_MS,
    signal,
  });
  if (!succeeded) return undefined;
  return json ? parseUsageJson(stdout) : parseUsageText(stdout);
}

/** By its own help: the flags came in different versions, and distributions have versions of their own. */
async function offersFlag(
  { buildx, signal }: Pick<BuildkitPruneOptions, "buildx" | "signal">,
  command: string,
  flag: string,
): Promise<boolean> {
  const { succeeded, stdout, complaint } = await runBuilderCommand(buildx, {
    args: [command, "--help"],
    what: `Asking buildx for its flags`,
    timeoutMs: USAGE_TIMEOUT_MS,
    signal,
  });
  if (!succeeded) throw failure("Asking buildx for its flags", complaint);
  return new RegExp(`^\\s{0,16}(?:-\\w, )?${flag}\\b`, "m").test(stdout);
}

function failure(what: string, complaint: string): ImageBuildError {
  return new ImageBuildError("ERR_BUILDX_FAILED", `${what} failed: ${complaint}`, {
    hint: "Check that the builder runs: docker buildx inspect shows it.",
  });
}
