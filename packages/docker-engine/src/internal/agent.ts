import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from "node:https";
import { inspect } from "node:util";

const OPTIONS = { keepAlive: true, scheduling: "lifo", maxFreeSockets: 16 } as const;

// docker-modem renders its options for a debug log on every call, switched on or not. A whole agent
// with its sockets doubles the cost of a call, and a TLS agent would put its key into that log.
const RENDERED = { value: () => "[agent]" };

/** Keeps connections of a unix socket or plain TCP open between calls. */
export function createHttpAgent(): HttpAgent {
  return Object.defineProperty(new HttpAgent(OPTIONS), inspect.custom, RENDERED);
}

/** Keeps TLS connections open between calls. */
export function createHttpsAgent(tls: HttpsAgentOptions): HttpsAgent {
  return Object.defineProperty(new HttpsAgent({ ...OPTIONS, ...tls }), inspect.custom, RENDERED);
}

/** Gives an agent of another kind the same short rendering. */
export function hideFromInspection<A extends HttpAgent>(agent: A): A {
  return Object.defineProperty(agent, inspect.custom, RENDERED);
}
