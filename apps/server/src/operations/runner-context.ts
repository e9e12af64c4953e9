import type { ServerContext } from "../server-context.js";

/** What the runner works with: all but the queue, which is made with it. */
export type RunnerContext = Omit<ServerContext, "operations">;
