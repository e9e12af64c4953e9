import { Agent, request, type Dispatcher } from "undici";

/** What an agent answered: whether it can take work, or only that something is there. */
export type ProbeAnswer =
  | { readonly kind: "ready"; readonly status: number }
  | { readonly kind: "unready"; readonly status: number }
  | { readonly kind: "silent" };

/** Asks one URL again and again over its own connection. */
export interface Probe extends AsyncDisposable {
  ask(url: string, signal: AbortSignal): Promise<ProbeAnswer>;
}

/** Every agent serves it without a token, and an agent without it answers 404, which is as good. */
const PATH = "/.well-known/agent-card.json";

/**
 * A connection made just as the process starts may be accepted by the engine and then never served:
 * the first ones are given up early. Later ones wait longer, for an agent that is only slow.
 */
const FIRST_LIMIT_MS = 1000;
const LONGEST_LIMIT_MS = 5000;

/** A probe over HTTP: every answer below 500 means ready, whatever it says. */
export function createHttpProbe(): Probe {
  // A published port accepts connections before anybody listens behind it, so none is reused.
  const agent: Dispatcher = new Agent({
    pipelining: 0,
    connect: { timeout: LONGEST_LIMIT_MS },
    headersTimeout: LONGEST_LIMIT_MS,
    bodyTimeout: LONGEST_LIMIT_MS,
  });
  let limitMs = FIRST_LIMIT_MS;
  return {
    async ask(url, signal) {
      const limit = AbortSignal.timeout(limitMs);
      const limited = AbortSignal.any([signal, limit]);
      try {
        const answer = await request(`${url}${PATH}`, { dispatcher: agent, signal: limited });
        answer.body.on("error", () => undefined).destroy();
        const { statusCode: status } = answer;
        return { kind: status < 500 ? "ready" : "unready", status };
      } catch {
        signal.throwIfAborted();
        if (limit.aborted) limitMs = Math.min(limitMs * 2, LONGEST_LIMIT_MS);
        return { kind: "silent" };
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
