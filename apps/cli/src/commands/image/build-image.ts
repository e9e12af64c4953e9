import { runStage } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type {
  BuildBackend,
  BuildOptions,
  BuildOutput,
  BuildResult,
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
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { reportBuild } from "./build-report.js";
import { readCacheIdentity } from "./cache-identity.js";
import { checkDockerfile } from "./check-dockerfile.js";
import { cleanBeforeBuild } from "./clean-before-build.js";
import { planBuildCache } from "./plan-build-cache.js";
import { pushAndProve, type ProvenTag } from "./push.js";
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
  const wanted = definedOnly(request.output ?? {});
  const platforms = request.platforms ?? [];
  const backend = await resolveBackend({
    settings: tools.settings,
    engine,
    buildx: tools.buildx,
    repositoryId: identity.repositoryId,
    need: {
      ...request,
      output: push ? { load: false, ...wanted, push: platforms.length > 1 } : withDefault(wanted),
    },
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
    : { output: withDefault(wanted), pushAfterwards: false };
  const output: BuildOutput = { ...plan.output, ...wanted };

  const result = await runBuild(
    context,
    { engine, tools, backend, logins },
    { ...request, output },
  );
  const published = push
    ? await publish(context, { engine, options, result, afterwards: plan.pushAfterwards })
    : [];
  return reportBuild(result, published);
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
function withDefault(wanted: BuildOutput): BuildOutput {
  const { directory, ociLayout } = wanted;
  return { load: directory === undefined && ociLayout === undefined, ...wanted };
}

function definedOnly(output: BuildOutput): BuildOutput {
  return Object.fromEntries(Object.entries(output).filter(([, value]) => value !== undefined));
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

async function publish(
  context: CommandContext,
  parts: {
    readonly engine: DockerEngine;
    readonly options: ImageBuildCommandOptions;
    readonly result: BuildResult;
    readonly afterwards: boolean;
  },
): Promise<readonly ProvenTag[]> {
  const { engine, options, result, afterwards } = parts;
  const { tags } = result;
  await using registries = await openRegistries(context, tags, options.credentials);
  if (afterwards) return await pushAndProve(context, { engine, registries, tags });
  const { resolvePublishedDigest } = await import("@molecule-ai/image-build");
  const published: ProvenTag[] = [];
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
