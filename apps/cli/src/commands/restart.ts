import { openFleet } from "../fleet/open-fleet.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { describeUp, formatUp } from "./up.js";

export interface RestartCommandOptions {
  readonly upgrade?: boolean | undefined;
  readonly wait: boolean;
  readonly timeout?: number | undefined;
}

/** `restart` */
export async function restart(
  context: CommandContext,
  query: string,
  options: RestartCommandOptions,
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const workspace = await fleet.find(query);
  const result = await fleet.restart(workspace, {
    upgrade: options.upgrade,
    wait: options.wait,
    timeoutMs: options.timeout,
  });
  return { data: describeUp(result), text: (style) => formatUp(result, style) };
}
