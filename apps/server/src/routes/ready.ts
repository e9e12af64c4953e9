import { z } from "zod";
import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";

const readiness = z
  .object({
    status: z.enum(["ready", "degraded", "unavailable"]),
    parts: z.object({
      store: z.enum(["ok", "failed"]),
      migrations: z.enum(["ok", "unknown"]),
      engine: z.enum(["ok", "connecting", "failed"]),
    }),
  })
  .meta({ id: "Readiness" });
type Readiness = z.infer<typeof readiness>;

const PART_TIMEOUT_MS = 2000;
/** Whoever asks more often gets the same answer: the route is open to everybody. */
const KEPT_MS = 1000;

/** Whether requests make sense here. It names parts, never addresses or errors. */
export function registerReady(app: App, { store, host, clock, shutdown }: ServerContext): void {
  let last: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;

  const look = async (): Promise<Readiness> => {
    const [isStoreWell, engine] = await Promise.all([
      inTime(store.ping()),
      host.host === undefined
        ? ("connecting" as const)
        : inTime(host.ping({ signal: AbortSignal.timeout(PART_TIMEOUT_MS) })).then((isWell) =>
            isWell ? ("ok" as const) : ("failed" as const),
          ),
    ]);
    const parts = {
      store: isStoreWell ? ("ok" as const) : ("failed" as const),
      // A store is open only once its schema is up to date.
      migrations: isStoreWell ? ("ok" as const) : ("unknown" as const),
      engine,
    };
    if (!isStoreWell || shutdown.aborted) return { status: "unavailable", parts };
    // Without an engine requests are taken all the same, and done once there is one.
    return { status: engine === "ok" ? "ready" : "degraded", parts };
  };

  app.get(
    "/ready",
    {
      config: { access: "open", rateLimit: false },
      schema: {
        tags: ["server"],
        summary: "The server can do its work",
        description:
          "200 also when it is `degraded`: then the engine does not answer, requests are taken, and " +
          "done once it does. 503 when the store does not answer or the server is stopping.",
        response: { 200: readiness, 503: readiness },
      },
    },
    async (_request, reply) => {
      const now = clock.monotonic();
      if (last === undefined || now - last.at >= KEPT_MS || shutdown.aborted) {
        last = { at: now, answer: look() };
      }
      const answer = await last.answer;
      return reply.code(answer.status === "unavailable" ? 503 : 200).send(answer);
    },
  );
}

async function inTime(work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work.then(() => true),
      new Promise<boolean>((resolve) => {
        timer = setTimeout(resolve, PART_TIMEOUT_MS, false);
      }),
    ]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
