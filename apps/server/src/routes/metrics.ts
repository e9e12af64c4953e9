import { z } from "zod";
import type { App } from "../app.js";
import { createMetrics } from "../metrics.js";
import type { ServerContext } from "../server-context.js";

/** `GET /metrics`, and the counting of requests. Comes after the streams and before other routes. */
export function registerMetrics(app: App, { store }: ServerContext): void {
  const metrics = createMetrics({
    store,
    openStreams: () => app.openStreams.size,
    listeners: () => app.eventBroker.listeners,
  });
  app.addHook("onResponse", async ({ method, routeOptions }, reply) => {
    const type = String(reply.getHeader("content-type") ?? "");
    if (type.startsWith("text/event-stream")) return;
    metrics.requestFinished({
      method,
      route: routeOptions.url ?? "none",
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
    });
  });
  app.get(
    "/metrics",
    {
      config: { access: "open", rateLimit: false },
      schema: {
        tags: ["server"],
        summary: "Metrics of this process and of the fleet",
        description: "In the text format of Prometheus. No label names a workspace.",
        response: {
          200: {
            description: "Metrics.",
            content: { "text/plain": { schema: z.string() } },
          },
        },
      },
    },
    async (_request, reply) =>
      reply.header("content-type", metrics.contentType).send(await metrics.text()),
  );
}
