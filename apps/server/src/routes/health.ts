import { z } from "zod";
import type { App } from "../app.js";

/** Answers as long as the process can. */
export function registerHealth(app: App): void {
  app.get(
    "/health",
    {
      config: { access: "open", rateLimit: false },
      schema: {
        tags: ["server"],
        summary: "The process is alive",
        response: { 200: z.object({ status: z.literal("ok") }) },
      },
    },
    () => ({ status: "ok" as const }),
  );
}
