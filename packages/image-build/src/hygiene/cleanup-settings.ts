import { z } from "zod";
import { ImageBuildError } from "../errors.js";
import { parseByteSize } from "../units/byte-size.js";
import { parseDuration } from "../units/duration.js";
import type { CleanupEnforcement } from "./apply-cleanup.js";
import { NO_CLEANUP, type CleanupPolicy } from "./cleanup-policy.js";
import type { CleanupTrigger } from "./disk-space.js";
import { parseReferencePattern } from "./reference-pattern.js";

export interface CleanupSettings {
  /** Whether a build cleans up before it starts. */
  readonly enabled: boolean;
  readonly enforcement: CleanupEnforcement;
  readonly trigger: CleanupTrigger;
  readonly policy: CleanupPolicy;
}

const AGE = "72h";
const olderThan = z.strictObject({ older_than: z.string().default(AGE) }).prefault({});

const CONFIG = z.strictObject({
  enabled: z.boolean().default(false),
  enforcement: z.enum(["best_effort", "required"]).default("best_effort"),
  trigger: z
    .strictObject({ min_free: z.string().default(""), min_free_percent: z.number().optional() })
    .prefault({}),
  protect: z
    .strictObject({
      images: z.strictObject({ refs: z.array(z.string()).default([]) }).prefault({}),
      labels: z.array(z.string().min(1)).default([]),
      volumes: z.strictObject({ named: z.boolean().default(true) }).prefault({}),
    })
    .prefault({}),
  prune: z
    .strictObject({
      images: z.strictObject({ dangling: olderThan, unreferenced: olderThan }).prefault({}),
      build_cache: z
        .strictObject({
          older_than: z.string().default(AGE),
          keep_storage: z.string().default("20GB"),
        })
        .prefault({}),
      containers: z.strictObject({ exited: olderThan }).prefault({}),
      networks: z.strictObject({ unused: z.boolean().default(true) }).prefault({}),
    })
    .prefault({}),
});

/**
 * Settings from the `cleanup` part of a configuration file, already read as data, with the defaults
 * filled in: off, 72 hours for everything, 20 GB of build cache stay, containers with named volumes
 * stay. An empty age or size takes its rule away. Throws `ERR_BUILD_SETTINGS` with the path of a value
 * that is none, or of a name that is unknown, and `ERR_BUILD_UNIT`.
 */
export function parseCleanupSettings(config: unknown): CleanupSettings {
  const parsed = CONFIG.safeParse(config);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refused((issue?.path ?? []).join("."), issue?.message ?? "it is malformed", parsed.error);
  }
  const { enabled, enforcement, trigger, protect, prune } = parsed.data;
  const minFreePercent = trigger.min_free_percent;
  if (minFreePercent !== undefined && !(minFreePercent > 0 && minFreePercent < 100)) {
    throw refused("trigger.min_free_percent", "it is between 0 and 100");
  }
  for (const pattern of protect.images.refs) parseReferencePattern(pattern);
  return {
    enabled,
    enforcement,
    trigger: { minFreeBytes: orNone(trigger.min_free, parseByteSize), minFreePercent },
    policy: {
      ...NO_CLEANUP,
      danglingOlderThanMs: orNone(prune.images.dangling.older_than, parseDuration),
      unreferencedOlderThanMs: orNone(prune.images.unreferenced.older_than, parseDuration),
      buildCacheOlderThanMs: orNone(prune.build_cache.older_than, parseDuration),
      buildCacheKeepBytes: orNone(prune.build_cache.keep_storage, parseByteSize),
      exitedOlderThanMs: orNone(prune.containers.exited.older_than, parseDuration),
      unusedNetworks: prune.networks.unused,
      protectedRefs: protect.images.refs,
      protectedLabels: protect.labels,
      protectNamedVolumes: protect.volumes.named,
    },
  };
}

/**
 * Settings from `MOLECULE_CLEANUP` (`on`, `off`) and the variables that begin with it: one age for
 * everything (`_OLDER_THAN`), `_KEEP_CACHE`, patterns and labels of what stays separated by blanks
 * (`_PROTECT`, `_PROTECT_LABELS`), `_ENFORCEMENT`, `_MIN_FREE`. Throws as {@link parseCleanupSettings}.
 */
export function cleanupSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
): CleanupSettings {
  const given = (name: string): string | undefined => {
    const value = env[name]?.trim() ?? "";
    return value === "" ? undefined : value;
  };
  const words = (name: string): string[] => given(name)?.split(/\s+/) ?? [];
  const enabled = given("MOLECULE_CLEANUP") ?? "off";
  if (enabled !== "on" && enabled !== "off") {
    throw refused("MOLECULE_CLEANUP", "it is on or off");
  }
  const age = { older_than: given("MOLECULE_CLEANUP_OLDER_THAN") };
  return parseCleanupSettings({
    enabled: enabled === "on",
    enforcement: given("MOLECULE_CLEANUP_ENFORCEMENT"),
    trigger: { min_free: given("MOLECULE_CLEANUP_MIN_FREE") },
    protect: {
      images: { refs: words("MOLECULE_CLEANUP_PROTECT") },
      labels: words("MOLECULE_CLEANUP_PROTECT_LABELS"),
    },
    prune: {
      images: { dangling: age, unreferenced: age },
      build_cache: { ...age, keep_storage: given("MOLECULE_CLEANUP_KEEP_CACHE") },
      containers: { exited: age },
    },
  });
}

function orNone(text: string, parse: (text: string) => number): number | undefined {
  return text === "" ? undefined : parse(text);
}

function refused(path: string, reason: string, cause?: unknown): ImageBuildError {
  const what = path === "" ? "The clean-up settings" : `The clean-up setting ${path}`;
  return new ImageBuildError("ERR_BUILD_SETTINGS", `${what} cannot be used: ${reason}.`, {
    hint: "See the table of clean-up settings in the documentation.",
    ...(cause === undefined ? {} : { cause }),
  });
}
