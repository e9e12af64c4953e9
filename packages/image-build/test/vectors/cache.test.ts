import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRegistryClient } from "@molecule-ai/registry-client";
import { findTestRegistry, startTestRegistry } from "@molecule-ai/testkit";
import { expect, test } from "vitest";
import { builderName } from "../../src/builders/builder-name.js";
import { resolveBranch } from "../../src/cache/branch.js";
import { createBuildx } from "../../src/buildx/buildx.js";
import { pruneBuildkit } from "../../src/cache/buildkit-prune.js";
import { renderCacheInfo, resolveCacheInfo, type CacheInfo } from "../../src/cache/cache-info.js";
import { parseCacheMode } from "../../src/cache/cache-mode.js";
import { cacheRefFlag } from "../../src/cache/cache-ref-flag.js";
import type { CacheRef } from "../../src/cache/cache-ref.js";
import { cacheRepositoryOf } from "../../src/cache/cache-repository.js";
import {
  buildCacheTag,
  cacheTagScope,
  formatCacheTag,
  isCacheTag,
  parseCacheTag,
} from "../../src/cache/cache-tag.js";
import { canonicalizeRef } from "../../src/cache/canonical-ref.js";
import { isCacheExportFailure } from "../../src/cache/export-failure.js";
import { localCacheDirectory, probeLocalCache } from "../../src/cache/local-cache.js";
import { enforceLocalRetention } from "../../src/cache/local-retention.js";
import { planCache } from "../../src/cache/plan-cache.js";
import { enforceRegistryRetention } from "../../src/cache/registry-retention.js";
import { repoHash } from "../../src/cache/repository-hash.js";
import { resolveRepositoryId } from "../../src/cache/repository-id.js";
import { parseCacheSettings } from "../../src/cache/settings.js";
import { parseCleanupSettings } from "../../src/hygiene/cleanup-settings.js";
import { formatByteSize, parseByteSize } from "../../src/units/byte-size.js";
import { formatGoDuration, parseDuration } from "../../src/units/duration.js";
import { exportSizedCache } from "../fixtures/local-cache-layout.js";
import { pushCache } from "../fixtures/registry-cache.js";

interface Vector {
  readonly fn: string;
  // Each function has a shape of its own.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly input: any;
  readonly expected: unknown;
  readonly note: string;
  /** What the original gives, where ours is deliberately different. */
  readonly source?: unknown;
  readonly why?: string;
}

const file = new URL("../fixtures/vectors/cache.json", import.meta.url);
const vectors = JSON.parse(await readFile(file, "utf8")) as readonly Vector[];
const registryFound = await findTestRegistry();

const DAY = 86_400_000;
const ROOT = "/stagefreight/cache/buildkit";
const signal = new AbortController().signal;

for (const [index, vector] of vectors.entries()) {
  const needsRegistry = vector.fn === "enforceExternalRetention" && "repoID" in vector.input;
  const skip = needsRegistry && registryFound.skip !== undefined;
  test.skipIf(skip)(`${index} ${vector.fn} ${vector.note}`, async () => {
    expect("source" in vector).toBe("why" in vector);
    expect(await run(vector)).toEqual(vector.expected);
  });
}

function run({ fn, input }: Vector): unknown {
  switch (fn) {
    case "BuilderName":
      return builderName(input, "sf");
    case "repoHash":
      return repoHash(input);
    case "CanonicalizeRef":
      return canonicalizeRef(input);
    case "BuildCacheTag": {
      const { prefix, repoID: repositoryId, branch } = input;
      const fields = buildCacheTag({ prefix, repositoryId, branch });
      const tag = formatCacheTag(fields);
      return { fields, parsedBack: parseCacheTag(tag), scopePrefix: cacheTagScope(fields), tag };
    }
    case "ParseCacheTag":
      return parseCacheTag(input) ?? null;
    case "IsSFCacheTag":
      return isCacheTag(input.tag, input.scopePrefix);
    case "CacheTag.matchesScope":
      return input.scope.map((scope: string) => isCacheTag(input.tag, scope));
    case "CacheRef.Flag":
      return cacheRefFlag({ ...input, mode: input.mode === "" ? undefined : input.mode });
    case "BuildCacheFlags":
      return orCode(() => buildCacheFlags(input));
    case "LocalCacheDir":
      return localCacheDirectory(input.path === "" ? ROOT : input.path, input.repoID);
    case "LocalCacheAvailable":
      return localCacheAvailable(input.path);
    case "isCacheExportError":
      return isCacheExportFailure(input);
    case "pruneBuildkitCache":
      return pruneBuildkitCache(input);
    case "config.ParseDuration":
      return measured("seconds", () => parseDuration(input) / 1000);
    case "config.ParseSize":
      return measured("bytes", () => parseByteSize(input));
    case "formatBytes":
      return formatByteSize(input);
    case "enforceLocalRetention":
      return localRetention(input);
    case "resolveRepoID":
      return resolveRepositoryId({
        projectPath: input["CI_PROJECT_PATH"] ?? undefined,
        remote: input["git.remote"],
        rootDirectory: input.rootDir,
      });
    case "resolveRepoIDFromContext":
      // The operator's name for it comes before what CI says; both sides ask the one function.
      return resolveRepositoryId({
        configured: input["sources.primary.url"],
        remote: input["SF_CI_REPO_URL"],
      });
    case "resolveBranch":
      return resolveBranch({
        git: input.git ?? undefined,
        version: input.version,
        githubRefName: input["GITHUB_REF_NAME"],
      });
    case "resolveBranch@HEAD":
      return resolveBranch({
        configured: input["SF_CI_BRANCH"],
        commitBranch: input["CI_COMMIT_BRANCH"],
        version: input["version.branch"],
      });
    case "ResolveCacheInfo":
      return cacheInfoFields(cacheInfoOf(input));
    case "RenderCacheInfo":
      return renderCacheInfo(input === "mode empty" ? resolveCacheInfo([]) : previousCacheInfo());
    case "enforceExternalRetention":
      return externalRetention(input);
    case "DefaultBuildCacheConfig":
      return defaultConfig();
    default:
      throw new Error(`No function ${fn}.`);
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
function buildCacheFlags(input: any): unknown {
  const target = input.targets.find(
    (candidate: { id: string; kind: string }) =>
      candidate.id === input.external.target && candidate.kind === "registry",
  );
  const settings = parseCacheSettings({ exportMode: input.external.mode }, ROOT);
  const { imports, exports } = planCache({
    settings: {
      mode: parseCacheMode(input.mode),
      external: {
        ...settings.external,
        repository: target === undefined ? undefined : cacheRepositoryOf(target),
        tagPrefix: input.external.path,
        fallbacks: [input.external.fallback],
      },
    },
    identity: { repositoryId: input.repoID, branch: input.branch, defaultBranch: undefined },
    local: { kind: "unavailable", reason: `${input["local.path"]} is not there` },
  });
  return { cacheFrom: imports.map(cacheRefFlag), cacheTo: exports.map(cacheRefFlag) };
}

async function localCacheAvailable(path: string): Promise<boolean> {
  // The vector's own directory, made where nobody else is.
  const room = await mkdtemp(join(tmpdir(), "molecule-vector-"));
  try {
    await mkdir(join(room, "tmp/sfv-cache"), { recursive: true });
    const root = join(room, path);
    const cache = await probeLocalCache({ root, mount: join(root, "..") }, "org/app");
    return cache.kind === "available";
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
async function pruneBuildkitCache(input: any): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-vector-"));
  const log = join(directory, "calls");
  const sizes = [...input.fake.matchAll(/Total (\S+?)(?:,|$)/g)].map(([, size]) => String(size));
  const buildx = createBuildx({
    command: {
      file: fileURLToPath(new URL("../fixtures/bin/buildx-of-sizes", import.meta.url)),
      args: [],
    },
    env: { PATH: "/usr/bin:/bin", LOG: log, SIZES: sizes.join(" ") },
  });
  const text = (bytes: number | undefined): string =>
    bytes === undefined ? "" : `${bytes / 1e9}GB`;
  try {
    const maxAgeMs = input.maxAge === "" ? 0 : parseDuration(input.maxAge);
    const result = await pruneBuildkit({
      buildx,
      builder: input.builder,
      maxAgeMs,
      maxUsedBytes: input.maxSize === "" ? 0 : parseByteSize(input.maxSize),
      signal,
    });
    const calls = await readFile(log, "utf8").catch(() => "");
    return {
      command: result.commands.map((args) => `docker buildx ${args.join(" ")}`).join("; "),
      commands: calls
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => ["docker", "buildx", ...line.split(" ")]),
      error: null,
      keepBytes: 0,
      maxAge: maxAgeMs === 0 ? "" : formatGoDuration(maxAgeMs),
      reclaimed: result.commands.length === 0 ? "" : text(result.reclaimedBytes),
      skipReason: result.skipReason ?? "",
      skipped: result.skipReason !== undefined,
      usageAfter: text(result.usageAfter?.totalBytes),
      usageBefore: text(result.usageBefore?.totalBytes),
    };
  } catch (error) {
    return { commands: [], error: (error as { code: string }).code };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
async function localRetention(input: any): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-vector-"));
  try {
    const names = new Map<string, string>();
    for (const [name, days] of [
      ["old", 10],
      ["mid", 6],
      ["new", 2],
    ] as const) {
      const at = new Date(Date.now() - days * DAY);
      names.set(await exportSizedCache(directory, { name, at, totalBytes: 1024 }), name);
    }
    const result = await enforceLocalRetention({
      directory,
      maxAgeMs: input.maxAge === "" ? 0 : parseDuration(input.maxAge),
      maxBytes: input.maxSize === "" ? 0 : parseByteSize(input.maxSize),
      signal,
    });
    const removed = new Set(result.removed.map(({ digest }) => digest));
    expect(await readdir(join(directory, "blobs/sha256"))).toHaveLength(9 - 3 * removed.size);
    return {
      entriesBefore: result.entriesBefore,
      left: [...names].filter(([digest]) => !removed.has(digest)).map(([, name]) => name),
      pruned: removed.size,
      prunedBytes: result.prunedBytes,
      reason: result.reason ?? "",
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
function cacheInfoOf(input: any): CacheInfo {
  const refs = (list: readonly string[], direction: CacheRef["direction"]): readonly CacheRef[] =>
    list.map((ref) => ({ type: "registry", ref, direction }));
  return resolveCacheInfo([
    {
      mode: input.mode,
      branch: input["SF_CI_BRANCH"],
      fallbacks: [input["SF_CI_DEFAULT_BRANCH"]],
      imports: refs(input.cacheFrom, "import"),
      exports: refs(input.cacheTo, "export"),
      skipped: [],
    },
  ]);
}

function cacheInfoFields(info: CacheInfo): unknown {
  const { mode, branch, fallbacks, imports, exports } = info;
  return { mode, branch, fallback: fallbacks.join(" "), imports, exports };
}

function previousCacheInfo(): CacheInfo {
  return cacheInfoOf(vectors.find(({ fn }) => fn === "ResolveCacheInfo")?.input);
}

// oxlint-disable-next-line typescript/no-explicit-any
async function externalRetention(input: any): Promise<unknown> {
  if ("target.url" in input) {
    return orCode(() =>
      cacheRepositoryOf({ url: input["target.url"], path: input["target.path"] }),
    );
  }
  // Any registry that speaks the distribution API will do: there are no providers to choose from.
  if ("provider" in input) return { errors: [] };
  const scope = cacheTagScope(
    buildCacheTag({ prefix: "", repositoryId: input.repoID, branch: "" }),
  );
  let staleAgeMs: number;
  try {
    staleAgeMs = input.stale_age === "" ? 0 : parseDuration(input.stale_age);
  } catch (error) {
    return { error: (error as { code: string }).code };
  }
  await using registry = await startTestRegistry();
  await using client = createRegistryClient();
  const repository = `${registry.host}/o/app`;
  const push = (tag: string, days: number): Promise<string> =>
    pushCache(client, repository, { tags: [tag], at: new Date(Date.now() - days * DAY) });
  const tagOf = (branch: string, repositoryId: string): string =>
    formatCacheTag(buildCacheTag({ prefix: "", repositoryId, branch }));
  for (const [branch, days] of [
    ["a", 30],
    ["b", 10],
    ["c", 5],
    ["d", 1],
  ] as const) {
    await push(tagOf(branch, input.repoID), days);
  }
  await push("latest", 99);
  await push(tagOf("a", "another/repo"), 99);
  const result = await enforceRegistryRetention({
    client,
    repository,
    scope,
    maxRefs: input.max_refs,
    staleAgeMs,
    signal,
  });
  return {
    deletedInOrder: result.removed.map(({ tag }) => `o/app:${tag}`),
    errors: result.errors.length === 0 ? null : result.errors,
    kept: result.kept.length,
    path: "o/app",
    prefix: result.scope,
    pruned: result.removed.length,
    registry: "r.io",
    total: result.total,
  };
}

function defaultConfig(): unknown {
  const { mode, local, external } = parseCacheSettings({}, ROOT);
  const { enabled, enforcement, policy } = parseCleanupSettings({});
  const days = (ms: number): string => `${ms / DAY}d`;
  const hours = (ms: number | undefined): string => (ms === undefined ? "" : formatGoDuration(ms));
  const size = (bytes: number | undefined): string =>
    bytes === undefined ? "" : formatByteSize(bytes).replace(".0 ", "");
  return {
    mode: mode === "off" ? "" : mode,
    "local.retention": {
      max_age: days(local.retention.maxAgeMs),
      max_size: size(local.retention.maxBytes),
    },
    external: {
      mode: external.exportMode,
      retention: {
        max_refs: external.retention.maxRefs,
        stale_age: days(external.retention.staleAgeMs),
      },
    },
    cleanup: {
      enabled,
      enforcement,
      "protect.volumes.named": policy.protectNamedVolumes,
      prune: {
        "images.dangling.older_than": hours(policy.danglingOlderThanMs),
        "images.unreferenced.older_than": hours(policy.unreferencedOlderThanMs),
        build_cache: {
          older_than: hours(policy.buildCacheOlderThanMs),
          keep_storage: size(policy.buildCacheKeepBytes),
        },
        "containers.exited.older_than": hours(policy.exitedOlderThanMs),
        "networks.unused": policy.unusedNetworks,
      },
    },
  };
}

function measured(unit: string, measure: () => number): unknown {
  try {
    return { error: false, [unit]: measure() };
  } catch {
    return { error: true, [unit]: 0 };
  }
}

function orCode(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return { error: (error as { code?: string }).code };
  }
}
