import { CliError } from "../errors.js";
import type { CommandResult } from "../output/reporter.js";
import { warnWhenOpen } from "../remote/open-server.js";
import { createServerClient } from "../remote/server-client.js";
import { requireServer } from "../remote/require-server.js";
import { openStoredTokens } from "../remote/stored-tokens.js";
import { parseToken } from "../remote/token.js";
import { readWorkspacePage } from "../remote/workspace-page.js";
import type { CommandContext } from "../run-command.js";
import { readHiddenLine, readStdin } from "../terminal-session.js";

const MAX_TOKEN_BYTES = 8 * 1024;

/** `login`: the token is stored only after the server took it. */
export async function login(context: CommandContext): Promise<CommandResult> {
  const address = requireServer(context, "login");
  const { origin } = address;
  if (context.choice.tokenFile !== undefined) {
    throw new CliError("ERR_CLI_USAGE", "login reads the token from stdin, not from --token-file", {
      hint: `Give it on stdin: login --server ${origin} < ${context.choice.tokenFile}`,
    });
  }
  const typed = context.terminal.stdin.isTerminal
    ? await readHiddenLine(`Token for ${origin}: `, { signal: context.signal })
    : await readStdin({ maxBytes: MAX_TOKEN_BYTES, signal: context.signal });
  if (typed.trim() === "") {
    throw new CliError("ERR_CLI_TOKEN_MISSING", "No token was given", {
      hint: `Type it when asked, or give it on stdin: login --server ${origin} < token.txt`,
    });
  }
  const token = parseToken("The input", typed);
  context.redactor.add(token);
  warnWhenOpen(context.onEvent, address);
  await using client = createServerClient({ address, token, clock: context.clock });
  await readWorkspacePage(client, { limit: "1", signal: context.signal });
  const stored = openStoredTokens(context.settings.configDirectory);
  await stored.store(origin, token);
  return {
    data: { server: origin, file: stored.path },
    text: () => `Logged in to ${origin}; the token is in ${stored.path}`,
  };
}
