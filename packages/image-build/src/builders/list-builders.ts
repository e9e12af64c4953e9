import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { runBuilderCommand } from "./builder-command.js";
import type { BuilderInfo } from "./builder-info.js";
import { inspectBuilder } from "./inspect.js";
import { parseList } from "./parse-list.js";

export interface ListBuildersOptions {
  readonly buildx: Buildx;
  /** Only builders whose names begin so. */
  readonly prefix?: string | undefined;
  readonly signal: AbortSignal;
  /** Default 60 seconds: buildx asks every builder, and waits 20 for one that is silent. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** The first version with `ls --format`. */
const JSON_SINCE = "0.13.0";

/** Every builder buildx knows. Throws `ERR_BUILDER`, `ERR_BUILDX_MISSING`, `ERR_DEADLINE`. */
export async function listBuilders(options: ListBuildersOptions): Promise<readonly BuilderInfo[]> {
  const { buildx, signal, prefix = "" } = options;
  const version = await buildx.version(signal);
  const isJson = version.compareMain(JSON_SINCE) >= 0;
  const { succeeded, stdout, complaint } = await runBuilderCommand(buildx, {
    args: isJson ? ["ls", "--format=json"] : ["ls"],
    what: "The list of builders",
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal,
  });
  if (!succeeded) {
    throw new ImageBuildError("ERR_BUILDER", `The builders cannot be listed: ${complaint}.`, {
      hint: "See what buildx itself says: docker buildx ls",
    });
  }
  if (isJson) return parseList(stdout).filter(({ name }) => name.startsWith(prefix));
  const builders: BuilderInfo[] = [];
  for (const name of namesOf(stdout).filter((found) => found.startsWith(prefix))) {
    const info = await inspectBuilder({ buildx, name, signal, timeoutMs: options.timeoutMs });
    if (info !== undefined) builders.push(info);
  }
  return builders;
}

/** First words of the table's lines; nodes are indented below their builder. */
function namesOf(table: string): readonly string[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => /^([A-Za-z0-9][\w.-]{0,127}) ?\*?\s/.exec(line)?.[1] ?? []);
}
