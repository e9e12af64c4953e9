import { EXIT } from "../exit-codes.js";
import { openFleet } from "../fleet/open-fleet.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { formatRemovals } from "../output/removals.js";

/** `sweep` */
export async function sweep(
  context: CommandContext,
  options: {
    readonly dryRun?: boolean | undefined;
    readonly grace?: number | undefined;
    readonly volumes?: boolean | undefined;
  },
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const dryRun = options.dryRun === true;
  const result = await fleet.sweep({
    dryRun,
    graceMs: options.grace,
    volumes: options.volumes,
  });
  return {
    data: { dryRun, ...result },
    text: (style) => formatRemovals({ dryRun, ...result }, style),
    exitCode: result.failed.length > 0 ? EXIT.failed : undefined,
  };
}
