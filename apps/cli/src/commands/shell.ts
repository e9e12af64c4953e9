import type { CommandResult } from "../output/reporter.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";
import { exec } from "./exec.js";

/** `sh`: with a terminal when there is one, else the shell reads its commands from stdin. */
export async function shell(
  context: CommandContext,
  query: string,
  options: { readonly shell: string; readonly user?: string | undefined },
): Promise<CommandResult> {
  requireLocal(context, "sh");
  const { stdin, stdout } = context.terminal;
  return exec(context, query, [options.shell], {
    interactive: true,
    tty: stdin.isTerminal && stdout.isTerminal,
    user: options.user,
  });
}
