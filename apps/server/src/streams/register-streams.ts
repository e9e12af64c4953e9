import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { createEventBroker, type EventBroker } from "./event-broker.js";
import { createOpenStreams, type OpenStreams } from "./open-streams.js";

declare module "fastify" {
  interface FastifyInstance {
    eventBroker: EventBroker;
    openStreams: OpenStreams;
  }
}

/** What routes that stream share; it ends before the server waits for its connections. */
export async function registerStreams(app: App, { store, logger }: ServerContext): Promise<void> {
  const broker = await createEventBroker({ store, logger });
  const streams = await createOpenStreams({ store, logger });
  app.decorate("eventBroker", broker);
  app.decorate("openStreams", streams);
  app.addHook("preClose", async () => {
    await streams[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
  });
}
