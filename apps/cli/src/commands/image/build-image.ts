import { runStage } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type {
  BuildBackend,
  BuildCache,
  BuildOptions,
  BuildOutput,
  BuildResult,
  CacheIdentity,
  RegistryLogin,
} from "@molecule-ai/image-build";
import {
  openBuildLogins,
  openBuildTools,
  openRegistries,
  readLogins,
  type BuildChoice,
  type BuildTools,
} from "../../compose-images.js";
import { openEngine } from "../../compose.js";
import type { ImageBuildCommandOptions } from "../../grammar/image-commands.js";
import { formatBytes } from "../../output/quantity.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import { formatFields } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { readCacheIdentity } from "./cache-identity.js";
import { checkDockerfile } from "./check-dockerfile.js";
import { cleanBeforeBuild } from "./clean-before-build.js";
import { pushAndProve } from "./push.js";
import { readBuildOptions } from "./read-build-options.js";

/** `image build`: one backend from start to end; with `--push` the digests are proven at the registry. */
export async function buildImage(
  context: CommandContext,
  source: string,
  options: ImageBuildCommandOptions,
): Promise<CommandResult> {
  requireLocal(context, "image build");
  const described = await readBuildOptions(context, source, options);
  const push = options.push === true;
  const identity = await readCacheIdentity(context, described.context);
  const cache = described.cache ?? (await planBuildCache(context, identity));
  const request = { ...described, ...(cache === undefined ? {} : { cache }) };
  const logins = await readLogins(context, registriesOf(request, push), options.credentials);
  await using engine = await openEngine(context, logins);
  const tools = await openBuildTools(context, engine, choiceOf(context, options));
  if (options.check !== true) await cleanBeforeBuild(context, engine);

  const { planOutput, resolveBackend } = await import("@molecule-ai/image-build");
  const wanted = request.output ?? {};
  const platforms = request.platforms ?? [];
  const backend = await resolveBackend({
    settings: tools.settings,
    engine,
    buildx: tools.buildx,
    repositoryId: identity.repositoryId,
    need: { ...request, output: push ? { ...wanted, push: platforms.length > 1 } : wanted },
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (options.check === true) return await checkDockerfile(context, { tools, backend, request });
  const plan = push
    ? planOutput({
        platforms,
        hasRegistries: true,
        local: false,
        capabilities: backend.capabilities,
      })
    : { output: defaultOutput(wanted), pushAfterwards: false };
  const output: BuildOutput = { ...plan.output, ...definedOnly(wanted) };

  const result = await runBuild(
    context,
    { engine, tools, backend, logins },
    { ...request, output },
  );
  const published = push
    ? await publish(context, { engine, options, result, afterwards: plan.pushAfterwards })
    : [];
  return report(result, published);
}

/** References at the registries that the build itself speaks to. */
function registriesOf({ tags, cache }: BuildOptions, push: boolean): string[] {
  const cached = [...(cache?.imports ?? []), ...(cache?.exports ?? [])]
    .filter(({ type }) => type === "registry")
    .map(({ ref }) => ref);
  const all = [...(push ? tags : []), ...cached];
  return all.length > 0 ? all : [...tags];
}

/** Only buildx has checks: without another word it is taken for them. */
function choiceOf(
  { settings }: CommandContext,
  { backend, builder, check }: ImageBuildCommandOptions,
): BuildChoice {
  const isSilent = (backend ?? builder ?? settings.env["MOLECULE_BUILD_BACKEND"] ?? "") === "";
  return { backend: check === true && isSilent ? "buildx-docker" : backend, builder };
}

/** Something has to come of a build: the image in the engine, when nothing else is asked for. */
function defaultOutput(wanted: BuildOutput): BuildOutput {
  const { load, directory, ociLayout } = wanted;
  return { load: load ?? (directory === undefined && ociLayout === undefined) };
}

function definedOnly(output: BuildOutput): BuildOutput {
  return Object.fromEntries(Object.entries(output).filter(([, value]) => value !== undefined));
}

/** What the environment says of a cache; undefined for none. */
async function planBuildCache(
  context: CommandContext,
  identity: CacheIdentity,
): Promise<BuildCache | undefined> {
  const { cacheSettingsFromEnv, planCache, probeLocalCache } =
    await import("@molecule-ai/image-build");
  const { env, homeDirectory } = context.settings;
  const settings = cacheSettingsFromEnv(env, { homeDir: homeDirectory });
  if (settings.mode === "off") return undefined;
  const hasLocal = settings.mode === "local" || settings.mode === "hybrid";
  const local = hasLocal
    ? await probeLocalCache(settings.local, identity.repositoryId)
    : ({ kind: "unavailable", reason: "it is not asked for" } as const);
  const { mode, imports, exports, skipped } = planCache({ settings, identity, local });
  for (const { reason } of skipped) {
    context.onEvent({ type: "warning", code: "WARN_BUILD_CACHE_SKIPPED", message: reason });
  }
  return { mode, imports, exports };
}

async function runBuild(
  context: CommandContext,
  parts: {
    readonly engine: DockerEngine;
    readonly tools: BuildTools;
    readonly backend: BuildBackend;
    readonly logins: readonly RegistryLogin[];
  },
  request: BuildOptions,
): Promise<BuildResult> {
  const { createImageBuilder } = await import("@molecule-ai/image-build");
  const { engine, tools, backend, logins } = parts;
  const builder = createImageBuilder({
    engine,
    backend,
    buildx: tools.buildx,
    redactor: context.redactor,
    clock: context.clock,
    concurrency: tools.settings.concurrency,
    ...(logins.length === 0
      ? {}
      : { registryAccess: () => openBuildLogins(context, tools.settings, logins) }),
  });
  return runStage(
    {
      stage: "build",
      subject: request.tags[0] ?? "",
      clock: context.clock,
      onEvent: context.onEvent,
      outcome: ({ steps, cachedSteps }) => `built, ${cachedSteps} of ${steps} steps cached`,
    },
    () => builder.build(request),
  );
}

interface Published {
  readonly tag: string;
  readonly digest: string;
  readonly sources: readonly string[];
}

async function publish(
  context: CommandContext,
  parts: {
    readonly engine: DockerEngine;
    readonly options: ImageBuildCommandOptions;
    readonly result: BuildResult;
    readonly afterwards: boolean;
  },
): Promise<readonly Published[]> {
  const { engine, options, result, afterwards } = parts;
  const { tags } = result;
  await using registries = await openRegistries(context, tags, options.credentials);
  if (afterwards) return await pushAndProve(context, { engine, registries, tags });
  const { resolvePublishedDigest } = await import("@molecule-ai/image-build");
  const published: Published[] = [];
  for (const tag of tags) {
    const { digest, sources } = await resolvePublishedDigest({
      tag,
      metadata: { digest: result.digest },
      registry: registries.client,
      clock: context.clock,
      signal: context.signal,
    });
    published.push({ tag, digest, sources });
  }
  return published;
}

function report(result: BuildResult, published: readonly Published[]): CommandResult {
  return {
    data: { image: result, published },
    text: (style) => format(result, published, style),
  };
}

function format(result: BuildResult, published: readonly Published[], style: Style): string {
  const { builder, cache } = result;
  const fields: (readonly [string, string | undefined])[] = [
    ["id", result.imageId],
    ["digest", result.digest],
    ["builder", builder === undefined ? result.backend : `${builder.name} (${builder.driver})`],
    ["context", result.contextBytes === 0 ? undefined : formatBytes(result.contextBytes)],
    ["cache", cache.mode === "off" ? undefined : `${cache.mode}: ${cache.result}`],
    ...cache.exports.map(
      ({ ref, outcome, reason }) =>
        ["cache to", `${ref} ${outcome}${reason === undefined ? "" : `: ${reason}`}`] as const,
    ),
    ...published.map(({ tag, digest }) => ["pushed", `${tag}@${digest}`] as const),
  ];
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  return [
    result.tags.map((tag) => style.strong(tag)).join("\n"),
    formatFields(shown.map(([name, value]) => [`  ${name}`, value] as const)),
  ].join("\n");
}
