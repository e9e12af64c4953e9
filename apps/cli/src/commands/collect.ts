import { openLocalBuild, openMachine } from "../compose.js";
import { EXIT } from "../exit-codes.js";
import { formatBytes } from "../output/quantity.js";
import { formatRemovals } from "../output/removals.js";
import type { CommandResult } from "../output/reporter.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";

export interface CollectCommandOptions {
  readonly dryRun?: boolean | undefined;
  readonly keep?: number | undefined;
  readonly maxAge?: number | undefined;
  readonly maxSize?: number | undefined;
}

/** `gc`: options win over the environment, which wins over the defaults. */
export async function collect(
  context: CommandContext,
  options: CollectCommandOptions,
): Promise<CommandResult> {
  requireLocal(context, "gc");
  await using machine = await openMachine(context);
  await using localBuild = await openLocalBuild(context, machine, {
    collection: {
      ...(options.keep === undefined ? {} : { keepPerRuntime: options.keep }),
      ...(options.maxAge === undefined ? {} : { maxAgeMs: options.maxAge }),
      ...(options.maxSize === undefined ? {} : { maxBytes: options.maxSize }),
    },
  });
  const dryRun = options.dryRun === true;
  const result = await localBuild.collect({ dryRun, signal: context.signal });
  const named = (action: (typeof result.items)[number]["action"]) =>
    result.items.filter((item) => item.action === action);
  const failed = named("failed").map(({ name, reason }) => ({ name, message: reason }));
  const removals = {
    dryRun,
    removed: named("removed").map(({ name, reason }) => `${name}: ${reason}`),
    kept: named("kept"),
    failed,
  };
  const sum = `${formatBytes(result.freedBytes)} ${dryRun ? "would be freed" : "freed"}, ${formatBytes(result.keptBytes)} kept`;
  return {
    data: { ...result },
    text: (style) => `${formatRemovals(removals, style)}\n${sum}`,
    exitCode: failed.length > 0 ? EXIT.failed : undefined,
  };
}
