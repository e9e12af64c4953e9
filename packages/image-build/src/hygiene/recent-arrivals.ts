import { isEngineError, readJsonStream, type DockerEngine } from "@molecule-ai/docker-engine";
import { z } from "zod";

const EVENT = z.looseObject({
  Actor: z.looseObject({ ID: z.string() }),
  timeNano: z.number(),
});
const SUBJECT = "Ask which images came lately";
/** Of an engine whose clock is behind ours, the answer would end only then. */
const LONGEST_MS = 10_000;

/**
 * When images were pulled or loaded, by name or id; Unix milliseconds. An engine keeps only its last
 * few hundred events, so this knows of recent ones and is no proof of the others. Empty where an
 * engine does not answer it.
 */
export async function readRecentArrivals(
  engine: DockerEngine,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<ReadonlyMap<string, number>> {
  const { signal } = options;
  const arrivals = new Map<string, number>();
  const time = AbortSignal.timeout(LONGEST_MS);
  try {
    const { body } = await engine.request({
      method: "GET",
      path: "/events",
      query: {
        since: "0",
        until: (Date.now() / 1000).toFixed(3),
        filters: JSON.stringify({ type: ["image"], event: ["pull", "load", "import"] }),
      },
      subject: SUBJECT,
      signal: signal === undefined ? time : AbortSignal.any([signal, time]),
    });
    for await (const value of readJsonStream(body, { subject: SUBJECT })) {
      const event = EVENT.safeParse(value);
      if (!event.success) continue;
      const { ID } = event.data.Actor;
      arrivals.set(ID, Math.max(arrivals.get(ID) ?? 0, event.data.timeNano / 1e6));
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isEngineError(error) && !time.aborted) throw error;
  }
  return arrivals;
}
