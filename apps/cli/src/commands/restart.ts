import { openWorkshop } from "../compose.js";
import { refuseTier } from "../options/tier.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { describeUp, formatUp } from "./up.js";

export interface RestartCommandOptions {
  readonly upgrade?: boolean | undefined;
  readonly wait: boolean;
  readonly timeout?: number | undefined;
}

/** `restart`: the tier was allowed when the workspace was made; only the machine's cap still counts. */
export async function restart(
  context: CommandContext,
  query: string,
  options: RestartCommandOptions,
): Promise<CommandResult> {
  await using workshop = await openWorkshop(context, {});
  const { id, tier } = await workshop.find(query, context.signal);
  const refusal = refuseTier(tier, { allowPrivileged: true, maxTier: context.settings.maxTier });
  if (refusal !== undefined) throw refusal;
  const result = await workshop.provisioner.restart(id, {
    signal: context.signal,
    onEvent: context.onEvent,
    upgrade: options.upgrade,
    wait: options.wait,
    readyTimeoutMs: options.timeout,
  });
  return { data: describeUp(result), text: (style) => formatUp(result, style) };
}
