import type {
  BuildkitPruneResult,
  CacheSettings,
  LocalRetentionResult,
  RegistryRetentionResult,
} from "@molecule-ai/image-build";
import { openBuildTools, openRegistries, tryEngine } from "../../compose-images.js";
import { CliError } from "../../errors.js";
import { EXIT } from "../../exit-codes.js";
import { formatBytes } from "../../output/quantity.js";
import { formatRemovals } from "../../output/removals.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { readCacheIdentity } from "./cache-identity.js";
import { requireBuildx } from "./require-buildx.js";

export interface CachePruneOptions {
  readonly dryRun?: boolean | undefined;
  readonly maxAge?: number | undefined;
  readonly maxSize?: number | undefined;
  readonly maxRefs?: number | undefined;
  readonly staleAge?: number | undefined;
  readonly builder?: string | undefined;
  readonly credentials?: string | undefined;
}

/** `image cache prune`: every cache on disk, those of this repository in the registry, one builder. */
export async function cachePrune(
  context: CommandContext,
  options: CachePruneOptions,
): Promise<CommandResult> {
  requireLocal(context, "image cache prune");
  const dryRun = options.dryRun === true;
  if (dryRun && options.builder !== undefined) {
    throw new CliError("ERR_CLI_USAGE", "--dry-run cannot tell what would go inside a builder", {
      hint: "Leave --builder out; image cache ls shows how much the engine's own holds.",
    });
  }
  const { cacheSettingsFromEnv, enforceLocalRetentionBelow } =
    await import("@molecule-ai/image-build");
  const { env, homeDirectory } = context.settings;
  const settings = cacheSettingsFromEnv(env, { homeDir: homeDirectory });
  const { signal, clock } = context;
  const { root, retention } = settings.local;
  const onDisk =
    root === undefined
      ? []
      : await enforceLocalRetentionBelow(root, {
          maxAgeMs: options.maxAge ?? retention.maxAgeMs,
          maxBytes: options.maxSize ?? retention.maxBytes,
          dryRun,
          clock,
          signal,
        });
  const inRegistry = await pruneRegistry(context, settings, options, dryRun);
  const inBuilder =
    options.builder === undefined
      ? undefined
      : await pruneBuilder(context, options.builder, options);
  return report({ dryRun, onDisk, inRegistry, inBuilder });
}

async function pruneRegistry(
  context: CommandContext,
  { external }: CacheSettings,
  options: CachePruneOptions,
  dryRun: boolean,
): Promise<RegistryRetentionResult | undefined> {
  const { repository, tagPrefix: prefix, retention } = external;
  if (repository === undefined) return undefined;
  const { buildCacheTag, cacheTagScope, enforceRegistryRetention } =
    await import("@molecule-ai/image-build");
  const { repositoryId, branch } = await readCacheIdentity(context);
  await using registries = await openRegistries(context, [repository], options.credentials);
  return await enforceRegistryRetention({
    client: registries.client,
    repository,
    scope: cacheTagScope(buildCacheTag({ prefix, repositoryId, branch })),
    maxRefs: options.maxRefs ?? retention.maxRefs,
    staleAgeMs: options.staleAge ?? retention.staleAgeMs,
    dryRun,
    clock: context.clock,
    signal: context.signal,
  });
}

async function pruneBuilder(
  context: CommandContext,
  builder: string,
  options: CachePruneOptions,
): Promise<BuildkitPruneResult> {
  const { pruneBuildkit } = await import("@molecule-ai/image-build");
  const { engine } = await tryEngine(context);
  try {
    const { buildx } = await openBuildTools(context, engine);
    return await pruneBuildkit({
      buildx: requireBuildx(buildx),
      builder,
      maxAgeMs: options.maxAge,
      maxUsedBytes: options.maxSize,
      clock: context.clock,
      signal: context.signal,
    });
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}

interface Pruned {
  readonly dryRun: boolean;
  readonly onDisk: readonly LocalRetentionResult[];
  readonly inRegistry: RegistryRetentionResult | undefined;
  readonly inBuilder: BuildkitPruneResult | undefined;
}

function report({ dryRun, onDisk, inRegistry, inBuilder }: Pruned): CommandResult {
  const errors = (inRegistry?.errors ?? []).map(({ tag, error }) => ({
    name: tag,
    message: error.message,
  }));
  const removals = {
    dryRun,
    removed: [
      ...onDisk.flatMap(({ directory, removed }) =>
        removed.map(({ name, digest, reason }) => `${directory} ${name ?? digest}: ${reason}`),
      ),
      ...(inRegistry?.removed ?? []).map(({ tag, reason }) => `${tag}: ${reason}`),
    ],
    kept: [
      ...onDisk.flatMap(({ directory, reason }) =>
        reason === undefined ? [] : [{ name: directory, reason }],
      ),
      ...(inRegistry?.kept ?? []).flatMap(({ tag, reason }) =>
        reason === undefined ? [] : [{ name: tag, reason }],
      ),
    ],
    failed: errors,
  };
  const diskBytes = onDisk.reduce((sum, { prunedBytes }) => sum + prunedBytes, 0);
  const sums = [
    `${formatBytes(diskBytes)} on disk ${dryRun ? "would be freed" : "freed"}`,
    ...(inBuilder === undefined
      ? []
      : [
          inBuilder.skipReason ??
            `${formatBytes(inBuilder.reclaimedBytes)} freed in the builder ${inBuilder.builder}`,
        ]),
  ];
  return {
    data: {
      dryRun,
      disk: onDisk,
      registry: inRegistry === undefined ? null : { ...inRegistry, errors },
      builder: inBuilder ?? null,
      freedBytes: diskBytes + (inBuilder?.reclaimedBytes ?? 0),
    },
    text: (style) => `${formatRemovals(removals, style)}\n${sums.join("\n")}`,
    exitCode: errors.length > 0 ? EXIT.failed : undefined,
  };
}
