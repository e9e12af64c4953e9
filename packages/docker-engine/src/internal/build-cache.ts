import { z } from "zod";
import type { BuildCacheApi, BuildCachePruneOptions, BuildCacheRecord } from "../engine.js";
import { EngineError } from "../errors.js";
import { compareApiVersions } from "./ping.js";
import { DISK_USAGE_TIMEOUT_MS } from "./system.js";
import type { Transport } from "./transport.js";
import { count, flag, filters, instant, strings, text } from "./wire.js";

const RECORD = z
  .looseObject({
    ID: z.string(),
    Parent: text,
    Parents: strings,
    Type: text,
    Description: text,
    Size: count,
    Shared: flag,
    InUse: flag,
    UsageCount: count,
    CreatedAt: instant,
    LastUsedAt: instant,
  })
  .transform((record): BuildCacheRecord => ({
    id: record.ID,
    // One before API 1.42, several since.
    parents: record.Parent === "" ? record.Parents : [record.Parent],
    type: record.Type,
    description: record.Description,
    sizeBytes: Math.max(0, record.Size),
    shared: record.Shared,
    inUse: record.InUse,
    usageCount: record.UsageCount,
    createdAt: record.CreatedAt,
    lastUsedAt: record.LastUsedAt,
  }));

const USAGE = z.looseObject({ BuildCache: z.array(RECORD).nullish() });
const PRUNED = z.looseObject({ CachesDeleted: strings, SpaceReclaimed: count });

/** Before 1.48 there was one limit for what is kept. */
const THREE_LIMITS = "1.48";

export function createBuildCacheApi(transport: Transport, apiVersion: string): BuildCacheApi {
  return {
    async list(options) {
      const usage = await transport.json(
        {
          method: "GET",
          path: "/system/df",
          // Understood since API 1.42, without effect before.
          query: { type: "build-cache" },
          subject: "List the build cache",
          timeoutMs: DISK_USAGE_TIMEOUT_MS,
          signal: options?.signal,
        },
        USAGE,
      );
      return usage.BuildCache ?? [];
    },
    async prune(options) {
      if (options?.ids?.length === 0) return { reclaimedBytes: 0, removed: [] };
      const pruned = await transport.json(
        {
          method: "POST",
          path: "/build/prune",
          query: pruneQuery(options ?? {}, apiVersion),
          subject: "Prune the build cache",
          timeoutMs: DISK_USAGE_TIMEOUT_MS,
          signal: options?.signal,
        },
        PRUNED,
      );
      return { reclaimedBytes: pruned.SpaceReclaimed, removed: pruned.CachesDeleted };
    },
  };
}

function pruneQuery(
  options: BuildCachePruneOptions,
  apiVersion: string,
): Record<string, string | undefined> {
  const { ids, all, unusedForMs, keepBytes, maxUsedBytes, minFreeBytes } = options;
  const threeLimits = compareApiVersions(apiVersion, THREE_LIMITS) >= 0;
  if (!threeLimits && (maxUsedBytes !== undefined || minFreeBytes !== undefined)) {
    throw new EngineError(
      "ERR_ENGINE_UNSUPPORTED",
      `The engine's API ${apiVersion} has no upper limit and no free space for the build cache`,
      { hint: "Say how many bytes to keep instead, or use Docker 28 or newer." },
    );
  }
  return {
    all: all === true ? "1" : undefined,
    [threeLimits ? "reserved-space" : "keep-storage"]: bytes(keepBytes),
    "max-used-space": bytes(maxUsedBytes),
    "min-free-space": bytes(minFreeBytes),
    filters: filters({
      // One value only is taken, and it is a regular expression.
      id: ids === undefined ? undefined : [`^(${ids.map(escapeId).join("|")})$`],
      until: unusedForMs === undefined ? undefined : [`${Math.ceil(unusedForMs)}ms`],
    }),
  };
}

function escapeId(id: string): string {
  return id.replace(/[^0-9a-z]/gi, "\\$&");
}

function bytes(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(Math.max(0, Math.floor(value)));
}
