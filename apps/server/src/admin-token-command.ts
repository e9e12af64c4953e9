import { describeAdminToken, rotateAdminToken } from "./access/admin-token.js";
import type { ServerConfig } from "./config.js";
import { ServerError } from "./errors.js";
import { createLogger } from "./logger.js";
import { openStore } from "./store/open-store.js";
import { createRedactor } from "@molecule-ai/core";

/**
 * `molecule-server admin-token --rotate`: makes a new token of the administrator in the store and
 * revokes the one before; servers that run on the same PostgreSQL take it at once.
 *
 * @returns what to print.
 * @throws ServerError `ERR_SERVER_CONFIG` for other arguments and while ADMIN_TOKEN decides the
 *   token, `ERR_STORE_IN_USE` while a server runs on the embedded database, and what `openStore`
 *   throws.
 */
export async function runAdminTokenCommand(
  args: readonly string[],
  config: ServerConfig,
): Promise<string> {
  if (args.length !== 1 || args[0] !== "--rotate") {
    throw new ServerError("ERR_SERVER_CONFIG", "admin-token takes exactly one option, --rotate.", {
      hint: "Usage: molecule-server admin-token --rotate",
    });
  }
  if (config.adminToken !== undefined) {
    throw new ServerError("ERR_SERVER_CONFIG", "ADMIN_TOKEN sets the token of the administrator.", {
      hint: "Change ADMIN_TOKEN and start the server again, or unset it.",
    });
  }
  const logger = createLogger({ level: "silent", redactor: createRedactor() });
  await using store = await openStore({ ...config, logger });
  return describeAdminToken((await rotateAdminToken(store.db)).token);
}
