import { isLoaded, platformsOf } from "../backends/requirements.js";
import { cacheRefFlag } from "../cache/cache-ref-flag.js";
import type { BuildOptions, BuildSsh, NamedContext } from "../image-builder.js";
import { formatAttributes, type Attribute } from "./csv-attributes.js";
import { secretArguments } from "./secrets.js";

export interface BuildArgsOptions {
  readonly options: Omit<BuildOptions, "context">;
  /** What stands for the context: `-` for a tar on standard input, a git address, a directory. */
  readonly context: string;
  readonly builder?: string | undefined;
  readonly progress?: "rawjson" | "plain" | undefined;
  /** As the builder has to be told; the one of `options` may be a link. */
  readonly dockerfile?: string | undefined;
  readonly metadataFile?: string | undefined;
}

/**
 * The arguments of `buildx`, for `build`. The same options give the same arguments: maps are sorted by
 * the bytes of their keys, lists keep their order.
 *
 * Values of build arguments and labels are readable for every user of the machine in its list of
 * processes, as they are in the history of the image. Values of secrets are not among the arguments.
 */
export function buildxBuildArgs(request: BuildArgsOptions): readonly string[] {
  const { options } = request;
  return [
    "build",
    ...(request.progress === undefined ? [] : [`--progress=${request.progress}`]),
    ...sourceArgs(request),
    ...each("--label", sortedPairs(options.labels)),
    ...each("--annotation", sortedPairs(options.annotations)),
    ...each("--tag", options.tags),
    ...flag("--metadata-file", request.metadataFile),
    ...secretArguments(options.secrets ?? []),
    ...each("--ssh", (options.ssh ?? []).map(formatSsh)),
    ...namedContextArgs(options),
    ...(options.noCache === true ? ["--no-cache"] : []),
    ...(options.pull === true ? ["--pull"] : []),
    ...attestationArgs(options),
    ...outputArgs(options),
    ...each("--cache-from", (options.cache?.imports ?? []).map(cacheRefFlag)),
    ...each("--cache-to", (options.cache?.exports ?? []).map(cacheRefFlag)),
    request.context,
  ];
}

/** The arguments of `buildx` that have the Dockerfile examined and build nothing; JSON on stdout. */
export function buildxCheckArgs(request: BuildArgsOptions): readonly string[] {
  return [
    "build",
    "--call=check,format=json",
    ...(request.progress === undefined ? [] : [`--progress=${request.progress}`]),
    ...sourceArgs(request),
    ...namedContextArgs(request.options),
    request.context,
  ];
}

function sourceArgs(request: BuildArgsOptions): readonly string[] {
  const { options } = request;
  const platforms = platformsOf(options);
  return [
    ...flag("--builder", request.builder),
    ...flag("--file", request.dockerfile),
    ...flag("--target", options.target),
    ...flag("--platform", platforms.length === 0 ? undefined : platforms.join(",")),
    ...each("--build-arg", sortedPairs(buildArgsOf(options))),
  ];
}

function buildArgsOf(options: BuildArgsOptions["options"]): Readonly<Record<string, string>> {
  if (options.rewriteTimestamps !== true) return options.buildArgs ?? {};
  return { SOURCE_DATE_EPOCH: String(options.sourceDateEpoch ?? 0), ...options.buildArgs };
}

function namedContextArgs({ namedContexts }: BuildArgsOptions["options"]): readonly string[] {
  const pairs = sortedEntries(namedContexts).map(
    ([name, context]) => `${name}=${formatNamedContext(context)}`,
  );
  return each("--build-context", pairs);
}

function formatNamedContext(context: NamedContext): string {
  switch (context.kind) {
    case "directory":
      return context.path;
    case "image":
      return `docker-image://${context.reference}`;
    case "git":
      return formatGitContext(context);
    case "oci-layout":
      return `oci-layout://${context.path}@${context.digest}`;
    default:
      return context satisfies never;
  }
}

/** BuildKit's way of naming a repository at a commit: `url#commit:subdirectory`. */
export function formatGitContext(context: {
  readonly url: string;
  readonly commit: string;
  readonly subdirectory?: string | undefined;
}): string {
  const { url, commit, subdirectory } = context;
  return `${url}#${commit}${subdirectory === undefined ? "" : `:${subdirectory}`}`;
}

function formatSsh({ id = "default", agentSocket, keyFiles }: BuildSsh): string {
  const sources = agentSocket === undefined ? (keyFiles ?? []) : [agentSocket];
  return sources.length === 0 ? id : `${id}=${sources.join(",")}`;
}

function attestationArgs({ attestations }: BuildArgsOptions["options"]): readonly string[] {
  const { provenance, sbom } = attestations ?? {};
  return [
    ...(provenance === undefined
      ? []
      : [`--provenance=${provenance === false ? "false" : `mode=${provenance}`}`]),
    ...(sbom === undefined
      ? []
      : [`--sbom=${typeof sbom === "boolean" ? String(sbom) : `generator=${sbom.generator}`}`]),
  ];
}

/** `--push` and `--load` are short for an output; one with attributes has to be written out. */
function outputArgs(options: BuildArgsOptions["options"]): readonly string[] {
  const { push, ociLayout, directory } = options.output ?? {};
  const rewrite: Attribute = [
    "rewrite-timestamp",
    options.rewriteTimestamps === true ? "true" : undefined,
  ];
  const output = (attributes: readonly Attribute[]): readonly string[] => [
    "--output",
    formatAttributes(attributes),
  ];
  const short = (name: string, type: string): readonly string[] =>
    rewrite[1] === undefined ? [name] : output([["type", type], rewrite]);
  return [
    ...(push === true ? short("--push", "registry") : []),
    ...(isLoaded(options.output) ? short("--load", "docker") : []),
    ...(ociLayout === undefined
      ? []
      : output([["type", "oci"], ["tar", "false"], ["dest", ociLayout], rewrite])),
    ...(directory === undefined
      ? []
      : output([
          ["type", "local"],
          ["dest", directory],
        ])),
  ];
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, value];
}

function each(name: string, values: readonly string[]): readonly string[] {
  return values.flatMap((value) => [name, value]);
}

function sortedPairs(values: Readonly<Record<string, string>> | undefined): readonly string[] {
  return sortedEntries(values).map(([key, value]) => `${key}=${value}`);
}

function sortedEntries<T>(
  values: Readonly<Record<string, T>> | undefined,
): readonly (readonly [string, T])[] {
  return Object.entries(values ?? {}).sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
}
