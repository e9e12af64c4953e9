import { chooseServer } from "../remote/server-address.js";
import type { CommandContext } from "../run-command.js";
import type { Fleet } from "./fleet.js";

/** The fleet of this run: behind the server that was named, else on this machine's engine. */
export async function openFleet(context: CommandContext): Promise<Fleet> {
  const address = chooseServer(context.choice, context.settings.serverUrl);
  if (address === undefined) {
    const { createLocalFleet } = await import("./local-fleet.js");
    return createLocalFleet(context);
  }
  const [{ openServer }, { createRemoteFleet }] = await Promise.all([
    import("../remote/open-server.js"),
    import("../remote/remote-fleet.js"),
  ]);
  return createRemoteFleet(context, await openServer(context, address));
}
