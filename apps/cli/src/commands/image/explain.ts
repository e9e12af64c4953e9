import type { BackendCandidate, BuildOptions } from "@molecule-ai/image-build";
import { openBuildTools, tryEngine } from "../../compose-images.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { readCacheIdentity } from "./cache-identity.js";

export interface ExplainOptions {
  readonly platform: readonly string[];
  readonly push?: boolean | undefined;
  readonly backend?: string | undefined;
  readonly builder?: string | undefined;
}

/** `image explain`: every way to build there is, in the order they are taken. Nothing is made. */
export async function explain(
  context: CommandContext,
  options: ExplainOptions,
): Promise<CommandResult> {
  requireLocal(context, "image explain");
  const { explainBackend } = await import("@molecule-ai/image-build");
  const { engine, failure } = await tryEngine(context);
  try {
    const { settings, buildx } = await openBuildTools(context, engine, options);
    const { repositoryId } = await readCacheIdentity(context);
    const candidates = await explainBackend({
      settings,
      engine,
      engineFailure: failure,
      buildx,
      repositoryId,
      need: needOf(context, options),
      signal: context.signal,
    });
    const chosen = candidates.find(({ verdict }) => verdict === "chosen");
    return {
      data: { chosen: chosen ?? null, candidates },
      text: (style) => candidates.map((candidate) => format(candidate, style)).join("\n"),
    };
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}

/** A build that asks for this much and no more. */
function needOf(context: CommandContext, { platform, push }: ExplainOptions): BuildOptions {
  const platforms = platform.flatMap((list) => list.split(","));
  const [first] = platforms;
  return {
    context: { kind: "directory", path: context.settings.cwd },
    tags: ["explained"],
    ...(platforms.length > 1 ? { platforms } : { platform: first }),
    output: push === true ? { load: false, push: platforms.length > 1 } : { load: true },
  };
}

function format(candidate: BackendCandidate, style: Style): string {
  const looks = {
    chosen: style.good,
    usable: style.strong,
    unusable: style.bad,
    absent: style.faint,
  } as const;
  const { name, driver, builder, endpoint, verdict, reasons } = candidate;
  const title = [
    driver === undefined ? name : `${name} ${driver}`,
    builder,
    endpoint === undefined ? undefined : `at ${endpoint}`,
  ].filter((part) => part !== undefined);
  return [
    `${looks[verdict](verdict.padEnd(8))}  ${title.join(" ")}`,
    ...reasons.map((reason) => `          ${reason}`),
  ].join("\n");
}
