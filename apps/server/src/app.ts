import fastify, { type FastifyInstance } from "fastify";
import type { ServerConfig } from "./config.js";

/** The HTTP application, not yet listening; `inject()` works on it. Close it when done. */
export function createApp(config: Pick<ServerConfig, "logLevel">): FastifyInstance {
  const app = fastify({
    logger: config.logLevel === "silent" ? false : { level: config.logLevel },
    forceCloseConnections: "idle",
    bodyLimit: 1024 * 1024,
  });
  // The platform's clients expect {"error": "…"} for everything that is not a success.
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `no route ${request.method} ${pathOf(request.url)}` }),
  );
  app.get("/health", () => ({ status: "ok" }));
  return app;
}

function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? url;
}
