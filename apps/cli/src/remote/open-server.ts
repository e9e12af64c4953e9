import type { CommandContext } from "../run-command.js";
import type { ServerAddress } from "./server-address.js";
import { createServerClient, type ServerClient } from "./server-client.js";
import { readServerToken } from "./server-token.js";

/** The client of the server of this run, with its token. Warns when the token can be read on the way. */
export async function openServer(
  context: Pick<CommandContext, "settings" | "choice" | "redactor" | "clock" | "onEvent">,
  address: ServerAddress,
): Promise<ServerClient> {
  const token = await readServerToken(context, address);
  if (token !== undefined) warnWhenOpen(context.onEvent, address);
  return createServerClient({ address, token, clock: context.clock });
}

export function warnWhenOpen(onEvent: CommandContext["onEvent"], address: ServerAddress): void {
  if (!address.isOpen) return;
  onEvent({
    type: "warning",
    code: "WARN_SERVER_NOT_ENCRYPTED",
    message: `${address.origin} is asked without encryption: everybody on the way can read the token`,
    hint: "Put TLS in front of the server and use its https address.",
  });
}
