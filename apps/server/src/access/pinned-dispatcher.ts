import ipaddr from "ipaddr.js";
import { Agent, buildConnector } from "undici";
import { ServerError } from "../errors.js";
import type { AgentUrl, ResolvedAddress } from "./agent-url.js";

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connections for requests to one agent, to the addresses that were checked and to nothing else: its
 * name is not looked up again, and a redirect to another host, port or protocol is not followed.
 * Close it when done.
 *
 * Requests through it reject with `ERR_AGENT_URL_REFUSED` as their cause when they would go elsewhere.
 */
export function createPinnedDispatcher({ url, addresses }: AgentUrl): Agent {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: (_hostname, options, callback) => {
      const [first] = addresses;
      if (options.all === true) {
        callback(
          null,
          addresses.map(({ address, family }) => ({ address, family })),
        );
      } else {
        callback(null, first?.address ?? "", first?.family ?? 0);
      }
    },
  });
  return new Agent({
    connect(options, callback) {
      if (options.protocol !== url.protocol || options.host !== url.host) {
        callback(elsewhere(), null);
        return;
      }
      connect(options, (...result) => {
        const [error, socket] = result;
        // An address instead of a name is not looked up at all.
        if (error === null && !isPinned(addresses, socket.remoteAddress)) {
          socket.destroy();
          callback(elsewhere(), null);
        } else {
          callback(...result);
        }
      });
    },
  });
}

function isPinned(addresses: readonly ResolvedAddress[], remote: string | undefined): boolean {
  if (remote === undefined) return false;
  const reached = ipaddr.process(remote).toString();
  return addresses.some(({ address }) => ipaddr.process(address).toString() === reached);
}

function elsewhere(): ServerError {
  return new ServerError(
    "ERR_AGENT_URL_REFUSED",
    "The request would not go to the address of the agent that was checked.",
    { hint: "Let the agent register again with the URL it is at now." },
  );
}
