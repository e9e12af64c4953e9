import type { BuildOptions } from "@molecule-ai/image-build";
import { resolve } from "node:path";
import { CliError } from "../../errors.js";
import type { ImageBuildCommandOptions } from "../../grammar/image-commands.js";
import { parsePairs } from "../../options/attributes.js";
import { parseBuildArguments } from "../../options/build-arguments.js";
import { parseBuildOutputs, parseCacheOption } from "../../options/build-outputs.js";
import { parseBuildSecret, parseBuildSsh } from "../../options/build-secrets.js";
import { parseBuildSource, parseNamedContext } from "../../options/build-source.js";
import { invalidOption } from "../../options/invalid-option.js";
import type { CommandContext } from "../../run-command.js";

/** The build that the command line describes; cache and output are not decided yet. */
export async function readBuildOptions(
  context: CommandContext,
  source: string,
  options: ImageBuildCommandOptions,
): Promise<BuildOptions> {
  const { settings, signal } = context;
  const { cwd, env } = settings;
  const here = { cwd, env };
  if (options.tag.length === 0) {
    throw new CliError("ERR_CLI_USAGE", "image build needs a name for the image", {
      hint: "Give --tag registry.example.com/team/app:1, or a short name for this machine.",
    });
  }
  const secrets = options.secret.map((text) => parseBuildSecret(text, here));
  for (const { source: from } of secrets) {
    if (from.kind === "value") context.redactor.add(from.value);
  }
  const platforms = options.platform.flatMap((list) => list.split(","));
  const [platform] = platforms;
  return {
    context: parseBuildSource(source, cwd),
    tags: options.tag,
    dockerfile: options.file,
    target: options.target,
    ...(platforms.length > 1 ? { platforms } : { platform }),
    buildArgs: parseBuildArguments(options.buildArg, env),
    secrets,
    ssh: await Promise.all(options.ssh.map((text) => parseBuildSsh(text, here))),
    namedContexts: Object.fromEntries(
      options.buildContext.map((text) => parseNamedContext(text, cwd)),
    ),
    labels: parsePairs("--label", options.label),
    annotations: parsePairs("--annotation", options.annotation),
    // Commander turns --no-cache into cache: false.
    noCache: !options.cache,
    pull: options.pull,
    ...(options.cacheFrom.length + options.cacheTo.length === 0
      ? {}
      : {
          cache: {
            imports: options.cacheFrom.map((text) => parseCacheOption("--cache-from", text, cwd)),
            exports: options.cacheTo.map((text) => parseCacheOption("--cache-to", text, cwd)),
          },
        }),
    attestations: {
      provenance: parseProvenance(options.provenance),
      sbom: options.sbom,
    },
    output: { ...parseBuildOutputs(options.output, cwd), load: options.load },
    ...(options.sourceDateEpoch === undefined
      ? {}
      : { sourceDateEpoch: options.sourceDateEpoch, rewriteTimestamps: true }),
    limits: { totalTimeoutMs: options.timeout },
    logFile: options.logFile === undefined ? undefined : resolve(cwd, options.logFile),
    signal,
    onEvent: context.onEvent,
  };
}

function parseProvenance(text: string | undefined): "min" | "max" | false | undefined {
  switch (text) {
    case undefined:
    case "min":
    case "max":
      return text;
    case "false":
      return false;
    default:
      throw invalidOption("--provenance", text, "Give min, max or false.");
  }
}
