import { isAbsolute, join } from "node:path";
import { parseCacheSettings } from "@molecule-ai/image-build";
import { runtimeImage } from "@molecule-ai/registry-mode";
import { LocalBuildError } from "./errors.js";
import type { TemplateLimits } from "./limits.js";

export interface CollectionLimits {
  /** Unused images and checkouts older than this go. */
  readonly maxAgeMs: number;
  /** Images and checkouts kept per runtime, newest first. */
  readonly keepPerRuntime: number;
  /** Bytes of all images and checkouts together, as the engine counts them (shared layers in each). */
  readonly maxBytes: number;
  /** Whatever was made or used in this time stays. */
  readonly graceMs: number;
}

export interface LocalBuildTimeouts {
  /** Longest silence of each stage. */
  readonly headMs: number;
  readonly checkoutMs: number;
  readonly buildMs: number;
}

export interface LocalBuildSettings {
  /** Where checkouts and locks are. */
  readonly cacheDirectory: string;
  /** True when the directory lies where everybody can create files: then it must be our own. */
  readonly cacheMustBeOwned: boolean;
  /** The git program; undefined to fetch archives always. */
  readonly gitPath: string | undefined;
  /** What git gets of the environment: PATH, proxies and certificates. */
  readonly gitEnv: Readonly<Record<string, string>>;
  /** Whether no time in an image is later than its commit, so that it can be built again to the byte. */
  readonly rewriteTimestamps: boolean;
  readonly limits: TemplateLimits;
  readonly timeouts: LocalBuildTimeouts;
  readonly collection: CollectionLimits;
  /** Repository whose tags hold the build caches that machines share; undefined for none. */
  readonly cacheRepository: string | undefined;
  /** Images that are made are also pushed, as `<prefix>/workspace-template-<runtime>`. */
  readonly pushPrefix: string | undefined;
  /** A lock whose holder shows no sign of life for this long is taken over; at least 2000. */
  readonly lockStaleMs: number;
}

/** Variables that git, its HTTP library and its TLS library read; all others stay outside. */
const PASSED_TO_GIT = [
  "PATH",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
  "GIT_SSL_CAINFO",
  "GIT_SSL_CAPATH",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

const MIB = 1024 * 1024;
const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;

/**
 * Settings from the environment; see the README for every variable. Pure: directories are named,
 * not made. Throws `ERR_LOCAL_BUILD_SETTINGS` for a value that means nothing where it stands.
 */
export function localBuildSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  host: { readonly homeDir: string; readonly tmpDir: string },
): LocalBuildSettings {
  const number = (name: string, fallback: number): number => positive(env, name, fallback);
  const git = env["MOLECULE_GIT_PATH"];
  return {
    ...cacheDirectory(env, host),
    gitPath: git === undefined ? "git" : git === "" ? undefined : git,
    gitEnv: Object.fromEntries(
      PASSED_TO_GIT.flatMap((name) => {
        const value = env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    limits: {
      templateBytes: number("MOLECULE_LOCAL_BUILD_TEMPLATE_MB", 512) * MIB,
      templateFiles: number("MOLECULE_LOCAL_BUILD_TEMPLATE_FILES", 50_000),
    },
    timeouts: {
      headMs: number("MOLECULE_LOCAL_BUILD_HEAD_TIMEOUT_SECONDS", 120) * SECOND,
      checkoutMs: number("MOLECULE_LOCAL_BUILD_CHECKOUT_TIMEOUT_SECONDS", 120) * SECOND,
      buildMs: number("MOLECULE_LOCAL_BUILD_TIMEOUT_SECONDS", 600) * SECOND,
    },
    collection: {
      maxAgeMs: number("MOLECULE_LOCAL_BUILD_MAX_AGE_DAYS", 30) * DAY,
      keepPerRuntime: number("MOLECULE_LOCAL_BUILD_KEEP", 5),
      maxBytes: number("MOLECULE_LOCAL_BUILD_MAX_MB", 20_480) * MIB,
      graceMs: 3600 * SECOND,
    },
    rewriteTimestamps: isReproducible(env),
    cacheRepository: cacheRepository(env),
    pushPrefix: pushPrefix(env),
    lockStaleMs: 10 * SECOND,
  };
}

function isReproducible(env: Readonly<Record<string, string | undefined>>): boolean {
  const name = "MOLECULE_LOCAL_BUILD_REPRODUCIBLE";
  const text = env[name] ?? "";
  if (["", "0", "false"].includes(text)) return false;
  if (["1", "true"].includes(text)) return true;
  throw refusal(name, text, "neither true nor false", "Use one of the two, or unset it.");
}

/** The builder's own cache is always used: a mode says only whether machines share one. */
function cacheRepository(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const name = "MOLECULE_LOCAL_BUILD_CACHE_MODE";
  const repository = env["MOLECULE_LOCAL_BUILD_CACHE_REF"] ?? "";
  const mode = env[name] || (repository === "" ? "off" : "shared");
  if (mode !== "off" && mode !== "shared") {
    throw refusal(name, mode, "neither off nor shared", "Use one of the two, or unset it.");
  }
  if (mode === "off") return undefined;
  if (repository === "") {
    throw refusal(
      name,
      mode,
      "not possible without a place for the cache",
      "Set MOLECULE_LOCAL_BUILD_CACHE_REF, for example registry.example.com/team/cache.",
    );
  }
  try {
    return parseCacheSettings({ mode, repository }, undefined).external.repository;
  } catch (cause) {
    throw refusal(
      "MOLECULE_LOCAL_BUILD_CACHE_REF",
      repository,
      "no repository that could hold build caches",
      "Name a repository with its registry and without a tag: registry.example.com/team/cache.",
      cause,
    );
  }
}

function pushPrefix(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const name = "MOLECULE_LOCAL_BUILD_PUSH";
  const prefix = env[name] ?? "";
  if (prefix === "") return undefined;
  try {
    runtimeImage(prefix, "any");
    return prefix;
  } catch (cause) {
    throw refusal(
      name,
      prefix,
      "no registry prefix",
      "Give host[:port]/path without scheme, tag and trailing slash.",
      cause,
    );
  }
}

function refusal(
  name: string,
  text: string,
  why: string,
  hint: string,
  cause?: unknown,
): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_SETTINGS",
    `${name} is ${JSON.stringify(text.slice(0, 200))}, which is ${why}.`,
    { hint, ...(cause === undefined ? {} : { cause }) },
  );
}

const CACHE_NAME = ["molecule", "workspace-template-build"];

/** Ported from the Go provisioner's cache rule; a relative XDG_CACHE_HOME is ignored, as XDG says. */
function cacheDirectory(
  env: Readonly<Record<string, string | undefined>>,
  host: { readonly homeDir: string; readonly tmpDir: string },
): Pick<LocalBuildSettings, "cacheDirectory" | "cacheMustBeOwned"> {
  const own = (path: string): Pick<LocalBuildSettings, "cacheDirectory" | "cacheMustBeOwned"> => ({
    cacheDirectory: path,
    cacheMustBeOwned: false,
  });
  const chosen = env["MOLECULE_LOCAL_BUILD_CACHE"] ?? "";
  if (chosen !== "") {
    if (isAbsolute(chosen)) return own(chosen);
    throw new LocalBuildError(
      "ERR_LOCAL_BUILD_SETTINGS",
      `MOLECULE_LOCAL_BUILD_CACHE is ${JSON.stringify(chosen)}, which is not an absolute path.`,
      { hint: "Give the whole path of the directory, or unset it." },
    );
  }
  const xdg = env["XDG_CACHE_HOME"] ?? "";
  if (isAbsolute(xdg)) return own(join(xdg, ...CACHE_NAME));
  if (isAbsolute(host.homeDir)) return own(join(host.homeDir, ".cache", ...CACHE_NAME));
  return { cacheDirectory: join(host.tmpDir, CACHE_NAME.join("-")), cacheMustBeOwned: true };
}

function positive(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  fallback: number,
): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw refusal(
    name,
    text,
    "no positive whole number",
    `Unset it to use ${fallback}, or give a number such as ${fallback}.`,
  );
}
