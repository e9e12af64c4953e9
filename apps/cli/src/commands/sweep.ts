import { openWorkshop } from "../compose.js";
import { EXIT } from "../exit-codes.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { formatRemovals } from "../output/removals.js";

/**
 * `sweep`: a workspace is wanted as long as the engine lists it. One that was never started is what a
 * killed `up` left; one that is being made at this moment is younger than the grace period.
 */
export async function sweep(
  context: CommandContext,
  options: {
    readonly dryRun?: boolean | undefined;
    readonly grace?: number | undefined;
    readonly volumes?: boolean | undefined;
  },
): Promise<CommandResult> {
  await using workshop = await openWorkshop(context, {});
  const workspaces = await workshop.backend.list({ signal: context.signal });
  const started = workspaces.filter(({ status }) => status !== "created");
  const ids = new Set(started.map(({ id }) => id));
  const dryRun = options.dryRun === true;
  const result = await workshop.provisioner.sweep({
    owned: (id) => ids.has(id),
    graceMs: options.grace,
    volumes: options.volumes,
    dryRun,
    signal: context.signal,
    onEvent: context.onEvent,
  });
  return {
    data: { dryRun, ...result },
    text: (style) => formatRemovals({ dryRun, ...result }, style),
    exitCode: result.failed.length > 0 ? EXIT.failed : undefined,
  };
}
