import type { Symptom } from "./tool-parser.js";

/** Names that do not resolve and servers that do not answer, in the words of libc, Go, Node, pip and apt. */
export const NETWORK: Symptom = {
  pattern:
    /temporary failure (?:resolving|in name resolution)|could ?n[o']t resolve|unable to resolve host|name or service not known|no such host|bad address|getaddrinfo|\bEAI_AGAIN\b|\bENOTFOUND\b|\bECONNREFUSED\b|\bETIMEDOUT\b|\bECONNRESET\b|network is unreachable|failed to establish a new connection|connection (?:timed out|refused|reset)|failed to connect to|read timed out|TLS handshake timeout|i\/o timeout/i,
  hint: "The step cannot reach the network: check the engine's DNS and proxy (apt, pip and npm need their mirrors), then build again.",
};
