import { openServer, type ServerParts } from "./compose.js";
import type { ServerConfig } from "./config.js";
import { ServerError } from "./errors.js";
import type { ServerContext } from "./server-context.js";

/** A server that listens. Disposing it stops it. */
export interface RunningServer extends AsyncDisposable {
  readonly context: ServerContext;
  /** Base URL, with the port really bound. */
  readonly url: string;
  /**
   * Takes no more connections, ends streams, hands operations under way back to the queue and lets
   * requests finish for `shutdownGraceMs`, then closes what is left. Idempotent.
   */
  stop(): Promise<void>;
}

/**
 * Listens and works until stopped.
 *
 * @throws ServerError `ERR_SERVER_LISTEN` when the address cannot be bound, and what `openServer`
 *   throws.
 */
export async function serve(config: ServerConfig, parts: ServerParts = {}): Promise<RunningServer> {
  const server = await openServer(config, parts);
  const { app, context } = server;
  let url: string;
  try {
    url = await app.listen({ host: config.host, port: config.port });
  } catch (cause) {
    await server[Symbol.asyncDispose]();
    throw new ServerError("ERR_SERVER_LISTEN", `Cannot listen on ${config.host}:${config.port}`, {
      hint: "Set HOST to an address of this machine and PORT to one that is free.",
      details: { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" },
      cause,
    });
  }
  try {
    await server.work({ port: Number(new URL(url).port) });
  } catch (error) {
    await server.rest({ graceMs: 0 });
    await server[Symbol.asyncDispose]();
    throw error;
  }
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= closeWithin(config.shutdownGraceMs);
    return stopping;
  };
  const closeWithin = async (graceMs: number): Promise<void> => {
    // The last second is for the store.
    const force = setTimeout(
      () => app.server.closeAllConnections(),
      Math.max(0, graceMs - LAST_SECOND_MS),
    );
    // Closing ends the connections that are idle then; one that has its last answer later would stay.
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
    try {
      // Side by side: a request may wait for an operation that is being handed back.
      await Promise.allSettled([app.close(), server.rest({ graceMs: drainGraceMs(graceMs) })]);
    } finally {
      clearInterval(sweep);
      clearTimeout(force);
      await server[Symbol.asyncDispose]();
    }
  };
  return { context, url, stop, [Symbol.asyncDispose]: stop };
}

const LAST_SECOND_MS = 1000;
const SWEEP_MS = 100;

/** What an operation needs to be taken back is kept free of the time it is given to end by itself. */
const TAKE_BACK_MS = 6000;

function drainGraceMs(graceMs: number): number {
  return Math.max(0, graceMs - TAKE_BACK_MS);
}
