import { connectionFailure } from "@molecule-ai/core";
import { RegistryError, type RegistryErrorCode } from "../errors.js";

const CLOSED = new Set(["UND_ERR_DESTROYED", "UND_ERR_CLOSED"]);

/** A request that got no answer, told by the code of what was thrown. */
export function unreachable(cause: unknown, host: string, subject: string): RegistryError {
  const { code, reason, isCertificate } = connectionFailure(cause);
  if (CLOSED.has(code)) return closedError();
  const details = { host, subject, reason: code };
  if (isCertificate) {
    return new RegistryError(
      "ERR_REGISTRY_UNREACHABLE",
      `${host}, ${subject}: the certificate of the registry is not trusted (${code}).`,
      { hint: "Trust its issuer with NODE_EXTRA_CA_CERTS=/path/to/ca.pem.", details, cause },
    );
  }
  return new RegistryError(
    "ERR_REGISTRY_UNREACHABLE",
    `${host}, ${subject}: ${reason ?? `there was no answer in HTTP (${code})`}.`,
    {
      hint: "Check that the registry runs, and that host and port are right.",
      retryable: reason !== undefined,
      details,
      cause,
    },
  );
}

/** An answer, or an upload, that broke off. */
export function disconnected(cause: unknown, host: string, subject: string): RegistryError {
  const { code } = connectionFailure(cause);
  if (CLOSED.has(code)) return closedError();
  return new RegistryError(
    "ERR_REGISTRY_DISCONNECTED",
    `${host}, ${subject}: the connection was closed in the middle.`,
    {
      hint: "Try again; if it goes on, look at the log of the registry or of a proxy before it.",
      retryable: true,
      details: { host, subject, reason: code },
      cause,
    },
  );
}

export function silent(host: string, subject: string, timeoutMs: number): RegistryError {
  return new RegistryError(
    "ERR_REGISTRY_TIMEOUT",
    `${host}, ${subject}: nothing came for ${timeoutMs} ms.`,
    {
      hint: "Try again, or raise the options timeoutMs and idleTimeoutMs.",
      retryable: true,
      details: { host, subject, timeoutMs },
    },
  );
}

export function closedError(): RegistryError {
  return new RegistryError("ERR_REGISTRY_CLOSED", "The registry client was disposed.", {
    hint: "Keep the client until all its calls have ended.",
  });
}

export interface Refusal {
  readonly host: string;
  readonly subject: string;
  readonly status: number;
  /** First code of the registry's own list of errors, and its message: cleaned and bounded. */
  readonly registryCode: string | undefined;
  readonly registryMessage: string;
  readonly hadCredential: boolean;
  readonly retryAfterMs: number | undefined;
}

/** An unexpected status. */
export function statusError(refusal: Refusal): RegistryError {
  const { host, subject, status, registryMessage, registryCode, retryAfterMs } = refusal;
  const code = codeOfStatus(status);
  const said = registryMessage === "" ? "" : `: ${registryMessage}`;
  return new RegistryError(code, `${host}, ${subject}: the registry answered ${status}${said}.`, {
    hint: hintOf(code, refusal),
    retryable: status === 408 || status === 429 || (status >= 500 && status !== 501),
    details: {
      host,
      subject,
      status,
      registryMessage,
      ...(registryCode === undefined ? {} : { registryCode }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}

function codeOfStatus(status: number): RegistryErrorCode {
  switch (status) {
    case 401:
      return "ERR_REGISTRY_UNAUTHORIZED";
    case 403:
      return "ERR_REGISTRY_FORBIDDEN";
    case 404:
      return "ERR_REGISTRY_NOT_FOUND";
    case 405:
    case 501:
      return "ERR_REGISTRY_UNSUPPORTED";
    case 429:
      return "ERR_REGISTRY_RATE_LIMITED";
    default:
      return "ERR_REGISTRY_STATUS";
  }
}

function hintOf(code: RegistryErrorCode, { host, hadCredential, retryAfterMs }: Refusal): string {
  if (retryAfterMs !== undefined) {
    return `The registry asks to come back in ${Math.ceil(retryAfterMs / 1000)} s.`;
  }
  switch (code) {
    case "ERR_REGISTRY_UNAUTHORIZED":
      return hadCredential
        ? `Check user and secret for ${host}: the registry does not accept them.`
        : `Give credentials for ${host}.`;
    case "ERR_REGISTRY_FORBIDDEN":
      return `Check what the account at ${host} may do in this repository.`;
    case "ERR_REGISTRY_NOT_FOUND":
      return "Check name and tag; registries also say this of private images to those they do not know.";
    case "ERR_REGISTRY_UNSUPPORTED":
      return "Allow this in the configuration of the registry (deleting is often switched off).";
    case "ERR_REGISTRY_RATE_LIMITED":
      return `Wait, or give credentials for ${host} to have a higher limit.`;
    default:
      return "Try again later, and look at the log of the registry.";
  }
}
