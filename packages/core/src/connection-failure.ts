/** Why a request got no answer, told by the code of what was thrown and never by its text. */
export interface ConnectionFailure {
  /** Of Node or undici: `ECONNREFUSED`, `UND_ERR_SOCKET` …; `no code` for an error without one. */
  readonly code: string;
  /** A clause for people; undefined for what is no matter of the network. */
  readonly reason: string | undefined;
  /** The other side's certificate is not trusted. */
  readonly isCertificate: boolean;
}

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

/** Reads what an HTTP client threw instead of an answer. With a `reason`, another try may succeed. */
export function connectionFailure(error: unknown): ConnectionFailure {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const known = typeof code === "string" ? code : "no code";
  return {
    code: known,
    reason: Object.hasOwn(REASONS, known) ? REASONS[known] : undefined,
    isCertificate: CERTIFICATE.test(known),
  };
}
