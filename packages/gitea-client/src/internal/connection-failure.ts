import { connectionFailure } from "@molecule-ai/core";
import { GiteaError } from "../errors.js";

/** A request that got no answer, told by the code of what was thrown. */
export function unreachable(cause: unknown, origin: string, subject: string): GiteaError {
  const { code, reason, isCertificate } = connectionFailure(cause);
  if (isCertificate) {
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
      details: { origin, reason: connectionFailure(cause).code },
      cause,
    },
  );
}
