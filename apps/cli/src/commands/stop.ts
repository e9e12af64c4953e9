import { openMachine } from "../compose.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { workspaceGone } from "../workspace-gone.js";

/** `stop`: all names are resolved before the first one is stopped. */
export async function stop(
  context: CommandContext,
  queries: readonly string[],
  options: { readonly grace?: number | undefined },
): Promise<CommandResult> {
  await using machine = await openMachine(context);
  const workspaces = await machine.findAll(queries, context.signal);
  const stopped: { readonly id: string; readonly name: string }[] = [];
  for (const { id, name } of workspaces) {
    const present = await machine.backend.stop(id, {
      signal: context.signal,
      graceSeconds: options.grace,
    });
    if (!present) throw workspaceGone(name);
    stopped.push({ id, name });
  }
  return {
    data: { stopped },
    text: () => stopped.map(({ id, name }) => `stopped ${name} (${id})`).join("\n"),
  };
}
