import { GiteaError } from "../errors.js";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "connecting took too long",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  ENETDOWN: "the network is down",
  ENOTFOUND: "its name has no address",
  EAI_AGAIN: "name resolution failed for now",
  UND_ERR_CONNECT_TIMEOUT: "connecting took too long",
  UND_ERR_SOCKET: "the connection was closed",
};

const CERTIFICATE = /^(?:ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** A request that got no answer, told by the code of what was thrown. */
export function unreachable(cause: unknown, origin: string, subject: string): GiteaError {
  const code = codeOf(cause);
  if (CERTIFICATE.test(code)) {
    return new GiteaError(
      "ERR_GITEA_UNREACHABLE",
      `Cannot ask ${origin} about ${subject}: its certificate is not trusted (${code}).`,
      {
        hint: "Trust the issuer with NODE_EXTRA_CA_CERTS=/path/to/ca.pem.",
        details: { origin, reason: code },
        cause,
      },
    );
  }
  const reason = REASONS[code];
  return new GiteaError(
    "ERR_GITEA_UNREACHABLE",
    `Cannot ask ${origin} about ${subject}: ${reason ?? `it gave no answer in HTTP (${code})`}.`,
    {
      hint: "Check that the server runs and that scheme, host and port are right.",
      retryable: reason !== undefined,
      details: { origin, reason: code },
      cause,
    },
  );
}

/** An answer that broke off in its body. */
export function disconnected(cause: unknown, origin: string, subject: string): GiteaError {
  return new GiteaError(
    "ERR_GITEA_DISCONNECTED",
    `${origin} closed the connection in the middle of its answer about ${subject}.`,
    {
      hint: "Try again; if it goes on, look at the log of the server or of a proxy before it.",
      retryable: true,
      details: { origin, reason: codeOf(cause) },
      cause,
    },
  );
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "no code";
}
