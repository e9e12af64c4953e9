import { createApp } from "./app.js";
import type { ServerConfig } from "./config.js";
import { ServerError } from "./errors.js";

/** A server that listens. Disposing it stops it. */
export interface RunningServer extends AsyncDisposable {
  /** Base URL, with the port really bound. */
  readonly url: string;
  /**
   * Takes no more connections and lets requests under way finish for `shutdownGraceMs`, then closes
   * what is left. Idempotent.
   */
  stop(): Promise<void>;
}

/**
 * Listens until stopped.
 *
 * @throws ServerError `ERR_SERVER_LISTEN` when the address cannot be bound.
 */
export async function serve(config: ServerConfig): Promise<RunningServer> {
  const app = createApp(config);
  let url: string;
  try {
    url = await app.listen({ host: config.host, port: config.port });
  } catch (cause) {
    await app.close();
    throw new ServerError("ERR_SERVER_LISTEN", `Cannot listen on ${config.host}:${config.port}`, {
      hint: "Set HOST to an address of this machine and PORT to one that is free.",
      details: { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" },
      cause,
    });
  }
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= closeWithin(config.shutdownGraceMs);
    return stopping;
  };
  const closeWithin = async (graceMs: number): Promise<void> => {
    const force = setTimeout(() => {
      app.server.closeAllConnections();
    }, graceMs);
    try {
      await app.close();
    } finally {
      clearTimeout(force);
    }
  };
  return { url, stop, [Symbol.asyncDispose]: stop };
}
