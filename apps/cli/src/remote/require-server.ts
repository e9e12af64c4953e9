import { CliError } from "../errors.js";
import type { CommandContext } from "../run-command.js";
import { chooseServer, type ServerAddress } from "./server-address.js";

type Choice = Pick<CommandContext, "settings" | "choice">;

/** The server of a command that is about one. */
export function requireServer(context: Choice, command: string): ServerAddress {
  const address = chooseServer(context.choice, context.settings.serverUrl);
  if (address !== undefined) return address;
  throw new CliError("ERR_CLI_USAGE", `${command}: no server was named`, {
    hint: "Give --server <url>, or set MOLECULE_URL.",
  });
}

/** Refuses a command that works on this machine's engine only, when a server was named. */
export function requireLocal(context: Choice, command: string): void {
  const address = chooseServer(context.choice, context.settings.serverUrl);
  if (address === undefined) return;
  throw new CliError("ERR_CLI_NOT_REMOTE", `${command} does not work through a server`, {
    hint: "Run it on the machine of the workspaces with --local.",
    details: { command, server: address.origin },
  });
}
