import { dirname, isAbsolute, join, normalize } from "node:path";
import { z } from "zod";
import { parseByteSize } from "../units/byte-size.js";
import { parseDuration } from "../units/duration.js";
import { parseCacheMode, type CacheMode } from "./cache-mode.js";
import { parseCacheRepository } from "./cache-repository.js";
import { cacheSettingsError } from "./cache-settings-error.js";
import { DEFAULT_CACHE_TAG_PREFIX, parseCacheTagPrefix } from "./cache-tag.js";

export interface LocalCacheRetentionRule {
  /** Zero: no rule. */
  readonly maxAgeMs: number;
  /** Zero: no rule. */
  readonly maxBytes: number;
}

export interface ExternalCacheRetentionRule {
  /** Newest caches that stay; zero: no rule. */
  readonly maxRefs: number;
  /** Zero: no rule. */
  readonly staleAgeMs: number;
}

export interface CacheSettings {
  readonly mode: CacheMode;
  readonly local: {
    /** Has a directory per repository in it; undefined where none can be thought of. */
    readonly root: string | undefined;
    /** Must exist already, so that a volume that is not mounted is noticed; undefined: is made. */
    readonly mount: string | undefined;
    readonly retention: LocalCacheRetentionRule;
  };
  readonly external: {
    /** Repository with its registry, without a tag. */
    readonly repository: string | undefined;
    readonly tagPrefix: string;
    /** What is exported: `min` the layers of the image, `max` those of every stage. */
    readonly exportMode: "min" | "max";
    /** Branches whose cache is read, in this order, after the branch's own; never written. */
    readonly fallbacks: readonly string[];
    readonly retention: ExternalCacheRetentionRule;
  };
}

/** The settings as people write them; every field may be left out. */
export interface CacheSettingsText {
  /** `off`, `local`, `shared`, `hybrid`; empty: by what else is set. */
  readonly mode?: string | undefined;
  readonly directory?: string | undefined;
  readonly repository?: string | undefined;
  readonly tagPrefix?: string | undefined;
  readonly exportMode?: string | undefined;
  /** Separated by blanks. */
  readonly fallbacks?: string | undefined;
  readonly maxAge?: string | undefined;
  readonly maxSize?: string | undefined;
  readonly maxRefs?: string | undefined;
  readonly staleAge?: string | undefined;
}

const DEFAULTS = { maxAge: "7d", maxSize: "15GB", maxRefs: "20", staleAge: "14d" } as const;

const EXPORT_MODE = z.enum(["min", "max"]);

/**
 * Settings of the cache from text, with the defaults filled in. Without a mode it follows from what
 * is named: a repository means `shared`, a directory `local`, both `hybrid`, neither `off`. Throws
 * `ERR_BUILD_CACHE_SETTINGS`, and `ERR_BUILD_UNIT` for an age or a size that means nothing.
 */
export function parseCacheSettings(
  text: CacheSettingsText,
  defaultRoot: string | undefined,
): CacheSettings {
  const directory = text.directory ?? "";
  const repository = text.repository ?? "";
  const mode = parseCacheMode(text.mode ?? "");
  if (directory !== "" && !isAbsolute(directory)) {
    throw cacheSettingsError(
      `The cache directory ${JSON.stringify(directory.slice(0, 200))} is not an absolute path.`,
      "Give the whole path of the directory.",
    );
  }
  const exportMode = EXPORT_MODE.safeParse(or(text.exportMode, "max"));
  if (!exportMode.success) {
    throw cacheSettingsError(
      `The cache cannot be exported in mode ${JSON.stringify(text.exportMode?.slice(0, 80))}.`,
      "Use max for the layers of every stage, or min for those of the image alone.",
    );
  }
  const settings: CacheSettings = {
    mode: (text.mode ?? "") === "" ? modeOf(directory !== "", repository !== "") : mode,
    local: {
      root: directory === "" ? defaultRoot : normalize(directory),
      mount: directory === "" ? undefined : dirname(normalize(directory)),
      retention: {
        maxAgeMs: parseDuration(or(text.maxAge, DEFAULTS.maxAge)),
        maxBytes: parseByteSize(or(text.maxSize, DEFAULTS.maxSize)),
      },
    },
    external: {
      repository: repository === "" ? undefined : parseCacheRepository(repository),
      tagPrefix: parseCacheTagPrefix(or(text.tagPrefix, DEFAULT_CACHE_TAG_PREFIX)),
      exportMode: exportMode.data,
      fallbacks: (text.fallbacks ?? "").split(/\s+/).filter((name) => name !== ""),
      retention: {
        maxRefs: parseCount(or(text.maxRefs, DEFAULTS.maxRefs)),
        staleAgeMs: parseDuration(or(text.staleAge, DEFAULTS.staleAge)),
      },
    },
  };
  if (settings.mode === "shared" && settings.external.repository === undefined) {
    throw cacheSettingsError(
      "The build cache is to be shared, and no repository is named for it.",
      "Set MOLECULE_BUILD_CACHE_REF, for example registry.example.com/team/cache.",
    );
  }
  return settings;
}

/**
 * Settings of the cache from `MOLECULE_BUILD_CACHE` and the variables that begin with it. Pure:
 * directories are named, not made. Throws as {@link parseCacheSettings}.
 */
export function cacheSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  host: { readonly homeDir: string },
): CacheSettings {
  return parseCacheSettings(
    {
      mode: env["MOLECULE_BUILD_CACHE"],
      directory: env["MOLECULE_BUILD_CACHE_DIR"],
      repository: env["MOLECULE_BUILD_CACHE_REF"],
      tagPrefix: env["MOLECULE_BUILD_CACHE_PREFIX"],
      exportMode: env["MOLECULE_BUILD_CACHE_EXPORT"],
      fallbacks: env["MOLECULE_BUILD_CACHE_FALLBACK"],
      maxAge: env["MOLECULE_BUILD_CACHE_MAX_AGE"],
      maxSize: env["MOLECULE_BUILD_CACHE_MAX_SIZE"],
      maxRefs: env["MOLECULE_BUILD_CACHE_MAX_REFS"],
      staleAge: env["MOLECULE_BUILD_CACHE_STALE_AGE"],
    },
    defaultRoot(env, host.homeDir),
  );
}

/** A relative XDG_CACHE_HOME is ignored, as XDG says. */
function defaultRoot(
  env: Readonly<Record<string, string | undefined>>,
  homeDir: string,
): string | undefined {
  const xdg = env["XDG_CACHE_HOME"] ?? "";
  const base = isAbsolute(xdg) ? xdg : isAbsolute(homeDir) ? join(homeDir, ".cache") : undefined;
  return base === undefined ? undefined : join(base, "molecule", "build-cache");
}

function modeOf(local: boolean, shared: boolean): CacheMode {
  if (local) return shared ? "hybrid" : "local";
  return shared ? "shared" : "off";
}

function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw cacheSettingsError(
    `${JSON.stringify(text.slice(0, 80))} is no number of caches to keep.`,
    "Give a whole number, or 0 to keep all.",
  );
}

function or(text: string | undefined, fallback: string): string {
  return text === undefined || text === "" ? fallback : text;
}
