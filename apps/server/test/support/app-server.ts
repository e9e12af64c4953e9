import type { FastifyBaseLogger } from "fastify";
import { pino } from "pino";
import { openServer, type Server } from "../../src/compose.js";
import { serverConfigFromEnv } from "../../src/config.js";
import type { Store } from "../../src/store/open-store.js";
import { createMemoryHost } from "./memory-host.js";
import { openMemoryStore } from "./memory-store.js";

/** A server that answers and runs no operations: for tests of what happens before a handler. */
export interface AppServer extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
  readonly store: Store;
}

export const APP_ADMIN_TOKEN = "app-server-admin-token";

export async function startAppServer(
  options: {
    readonly env?: Readonly<Record<string, string>> | undefined;
    readonly logger?: FastifyBaseLogger | undefined;
  } = {},
): Promise<AppServer> {
  const logger = options.logger ?? pino({ level: "silent" });
  const store = await openMemoryStore();
  const owned: AsyncDisposable[] = [store];
  const dispose = async (): Promise<void> => {
    for (const part of owned.splice(0).reverse()) await part[Symbol.asyncDispose]();
  };
  try {
    const config = serverConfigFromEnv({
      ADMIN_TOKEN: APP_ADMIN_TOKEN,
      RATE_LIMIT: "1000000",
      SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString("base64"),
      ...options.env,
    });
    const host = createMemoryHost();
    const server = await openServer(config, { store, host, logger });
    owned.push(server);
    const url = await server.app.listen({ host: "127.0.0.1", port: 0 });
    return { url, server, store, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
