import type { LocalCacheSummary, RegistryCacheList } from "@molecule-ai/image-build";
import { openRegistries, tryEngine } from "../../compose-images.js";
import { formatAge, formatBytes } from "../../output/quantity.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import { formatTable } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

/** What the engine's own BuildKit keeps. */
interface EngineCache {
  readonly records: number;
  readonly bytes: number;
  readonly inUse: number;
}

/** `image cache ls` */
export async function cacheList(
  context: CommandContext,
  options: { readonly credentials?: string | undefined },
): Promise<CommandResult> {
  requireLocal(context, "image cache ls");
  const { cacheSettingsFromEnv, listLocalCaches } = await import("@molecule-ai/image-build");
  const { env, homeDirectory } = context.settings;
  const { local, external } = cacheSettingsFromEnv(env, { homeDir: homeDirectory });
  const onDisk =
    local.root === undefined ? [] : await listLocalCaches(local.root, { signal: context.signal });
  const inRegistry =
    external.repository === undefined
      ? undefined
      : await listInRegistry(context, external.repository, options.credentials);
  const inEngine = await readEngineCache(context);
  return {
    data: {
      disk: { root: local.root ?? null, caches: onDisk },
      registry:
        inRegistry === undefined
          ? null
          : {
              repository: external.repository,
              caches: inRegistry.entries,
              errors: inRegistry.failures.map(({ tag, error }) => ({
                tag,
                message: error.message,
              })),
            },
      engine: inEngine ?? null,
    },
    text: (style) => format({ onDisk, inRegistry, inEngine, now: context.clock.now() }, style),
  };
}

async function listInRegistry(
  context: CommandContext,
  repository: string,
  credentials: string | undefined,
): Promise<RegistryCacheList> {
  const { listRegistryCaches } = await import("@molecule-ai/image-build");
  await using registries = await openRegistries(context, [repository], credentials);
  return await listRegistryCaches({
    client: registries.client,
    repository,
    scope: undefined,
    signal: context.signal,
  });
}

async function readEngineCache(context: CommandContext): Promise<EngineCache | undefined> {
  const { engine } = await tryEngine(context);
  if (engine === undefined) return undefined;
  await using open = engine;
  const records = await open.buildCache.list({ signal: context.signal });
  return {
    records: records.length,
    bytes: records.reduce((sum, { shared, sizeBytes }) => sum + (shared ? 0 : sizeBytes), 0),
    inUse: records.filter(({ inUse }) => inUse).length,
  };
}

interface Caches {
  readonly onDisk: readonly LocalCacheSummary[];
  readonly inRegistry: RegistryCacheList | undefined;
  readonly inEngine: EngineCache | undefined;
  readonly now: number;
}

function format({ onDisk, inRegistry, inEngine, now }: Caches, style: Style): string {
  const age = (at: number | undefined): string =>
    at === undefined || at === 0 ? "-" : formatAge(now - at);
  const rows = [
    ...onDisk.map((cache) => ({
      where: "disk",
      name: cache.directory,
      sizeBytes: cache.sizeBytes,
      age: age(Math.max(0, ...cache.entries.map(({ updatedAt }) => updatedAt))),
      note: cache.problem ?? `${cache.entries.length} caches`,
    })),
    ...(inRegistry?.entries ?? []).map((cache) => ({
      where: "registry",
      name: cache.tag,
      sizeBytes: cache.sizeBytes,
      age: age(cache.createdAt),
      note: "",
    })),
    ...(inRegistry?.failures ?? []).map(({ tag, error }) => ({
      where: "registry",
      name: tag,
      sizeBytes: 0,
      age: "-",
      note: error.message,
    })),
    ...(inEngine === undefined
      ? []
      : [
          {
            where: "engine",
            name: "BuildKit",
            sizeBytes: inEngine.bytes,
            age: "-",
            note: `${inEngine.records} records, ${inEngine.inUse} in use`,
          },
        ]),
  ];
  if (rows.length === 0) return "There is no build cache.";
  return formatTable(
    rows,
    [
      { title: "WHERE", cell: ({ where }) => where },
      { title: "CACHE", cell: ({ name }) => name },
      { title: "SIZE", cell: ({ sizeBytes }) => formatBytes(sizeBytes), align: "right" },
      { title: "AGE", cell: (row) => row.age, align: "right" },
      { title: "", cell: ({ note }) => note },
    ],
    style.strong,
  );
}
