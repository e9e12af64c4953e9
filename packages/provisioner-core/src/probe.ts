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

const ANSWER_LIMIT_MS = 5000;

/** A probe over HTTP: every answer below 500 means ready, whatever it says. */
export function createHttpProbe(): Probe {
  // A published port accepts connections before anybody listens behind it, so none is reused.
  const agent: Dispatcher = new Agent({
    pipelining: 0,
    connect: { timeout: ANSWER_LIMIT_MS },
    headersTimeout: ANSWER_LIMIT_MS,
    bodyTimeout: ANSWER_LIMIT_MS,
  });
  return {
    async ask(url, signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
      try {
        const answer = await request(`${url}${PATH}`, { dispatcher: agent, signal: limited });
        answer.body.on("error", () => undefined).destroy();
        const { statusCode: status } = answer;
        return { kind: status < 500 ? "ready" : "unready", status };
      } catch {
        signal.throwIfAborted();
        return { kind: "silent" };
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
