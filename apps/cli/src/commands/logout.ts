import type { CommandResult } from "../output/reporter.js";
import { requireServer } from "../remote/require-server.js";
import { openStoredTokens } from "../remote/stored-tokens.js";
import type { CommandContext } from "../run-command.js";

/** `logout`: forgets the token here; the server goes on taking it until somebody revokes it there. */
export async function logout(context: CommandContext): Promise<CommandResult> {
  const { origin } = requireServer(context, "logout");
  const stored = openStoredTokens(context.settings.configDirectory);
  const removed = await stored.remove(origin);
  return {
    data: { server: origin, removed },
    text: () =>
      removed
        ? `Forgot the token for ${origin}; the server still takes it until it is revoked`
        : `No token was stored for ${origin}`,
  };
}
