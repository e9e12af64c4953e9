import { openFleet } from "../fleet/open-fleet.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { workspaceGone } from "../workspace-gone.js";

/** `stop`: all names are resolved before the first one is stopped. */
export async function stop(
  context: CommandContext,
  queries: readonly string[],
  options: { readonly grace?: number | undefined },
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const workspaces = await fleet.findAll(queries);
  const stopped: { readonly id: string; readonly name: string }[] = [];
  for (const workspace of workspaces) {
    const { id, name } = workspace;
    const present = await fleet.stop(workspace, { graceSeconds: options.grace });
    if (!present) throw workspaceGone(name);
    stopped.push({ id, name });
  }
  return {
    data: { stopped },
    text: () => stopped.map(({ id, name }) => `stopped ${name} (${id})`).join("\n"),
  };
}
