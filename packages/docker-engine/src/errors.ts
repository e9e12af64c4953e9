import {
  isProvisionerError,
  ProvisionerError,
  type ProvisionerErrorOptions,
} from "@molecule-ai/core";

/**
 * What went wrong between us and the engine.
 *
 * Codes follow from HTTP status, errno and framing, never from the engine's words:
 * - `ERR_ENGINE_NOT_FOUND` 404; `ERR_ENGINE_IMAGE_NOT_FOUND` 404 of a create whose image is absent;
 *   `ERR_ENGINE_CONFLICT` 409; `ERR_ENGINE_BAD_REQUEST` other 4xx; `ERR_ENGINE_UNAUTHORIZED` 401, 403;
 *   `ERR_ENGINE_UNSUPPORTED` 405, 406, 501, or an API older than we speak; `ERR_ENGINE_SERVER` 5xx.
 * - `ERR_ENGINE_UNREACHABLE` no connection, nothing was sent; `ERR_ENGINE_PERMISSION` the socket is
 *   not ours to open; `ERR_ENGINE_TIMEOUT` no answer in time; `ERR_ENGINE_TRUNCATED` the connection
 *   broke or a stream was cut, and the call may have taken effect.
 * - `ERR_ENGINE_STREAM` the engine reported a failure inside a stream; `ERR_ENGINE_PROTOCOL` an answer
 *   that is not what the API documents; `ERR_ENGINE_CLOSED` the client was disposed;
 *   `ERR_ENGINE_SETTINGS` a setting that cannot be used.
 * - `ERR_PULL_*` a pull, by what the registry answered the engine; `ERR_PUSH_*` a push, by the
 *   registry's own error code or by what it answers the engine to a look at the image.
 */
export type EngineErrorCode =
  | "ERR_ENGINE_NOT_FOUND"
  | "ERR_ENGINE_IMAGE_NOT_FOUND"
  | "ERR_ENGINE_CONFLICT"
  | "ERR_ENGINE_BAD_REQUEST"
  | "ERR_ENGINE_UNAUTHORIZED"
  | "ERR_ENGINE_UNSUPPORTED"
  | "ERR_ENGINE_SERVER"
  | "ERR_ENGINE_UNREACHABLE"
  | "ERR_ENGINE_PERMISSION"
  | "ERR_ENGINE_TIMEOUT"
  | "ERR_ENGINE_TRUNCATED"
  | "ERR_ENGINE_STREAM"
  | "ERR_ENGINE_PROTOCOL"
  | "ERR_ENGINE_CLOSED"
  | "ERR_ENGINE_SETTINGS"
  | "ERR_PULL_UNAUTHORIZED"
  | "ERR_PULL_FORBIDDEN"
  | "ERR_PULL_NOT_FOUND"
  | "ERR_PULL_RATE_LIMITED"
  | "ERR_PULL_FAILED"
  | "ERR_PUSH_UNAUTHORIZED"
  | "ERR_PUSH_FORBIDDEN"
  | "ERR_PUSH_NOT_FOUND"
  | "ERR_PUSH_RATE_LIMITED"
  | "ERR_PUSH_UNAVAILABLE";

/**
 * A failed call. `details` may hold `subject` (what was asked for), `status` (HTTP) and
 * `engineMessage` (the engine's own words, cleaned and bounded; for people, never to match on).
 */
export class EngineError extends ProvisionerError<EngineErrorCode> {}

const OWN_CODE =
  /^ERR_(?:ENGINE_|PULL_|PUSH_(?:UNAUTHORIZED|FORBIDDEN|NOT_FOUND|RATE_LIMITED|UNAVAILABLE)$)/;

/** True for errors of this package; with `code`, only for that code. */
export function isEngineError<Code extends EngineErrorCode>(
  error: unknown,
  code?: Code,
): error is EngineError & { readonly code: Code } {
  return isProvisionerError(error, code) && OWN_CODE.test(error.code);
}

/** The engine said 404. Never true for a timeout, a broken connection or a 5xx. */
export function isEngineNotFound(error: unknown): error is EngineError {
  return isProvisionerError(error, "ERR_ENGINE_NOT_FOUND");
}

/** The engine said 409. */
export function isEngineConflict(error: unknown): error is EngineError {
  return isProvisionerError(error, "ERR_ENGINE_CONFLICT");
}

/** An unexpected HTTP status as an error. `engineMessage` must be cleaned and bounded already. */
export function statusError(subject: string, status: number, engineMessage: string): EngineError {
  const code = codeOfStatus(status);
  const said = engineMessage === "" ? "" : `: ${engineMessage}`;
  return new EngineError(code, `${subject}: the engine answered ${status}${said}`, {
    hint: HINTS[code],
    retryable: code === "ERR_ENGINE_SERVER",
    details: { subject, status, engineMessage },
  });
}

function codeOfStatus(status: number): EngineErrorCode {
  if (status === 404) return "ERR_ENGINE_NOT_FOUND";
  if (status === 409) return "ERR_ENGINE_CONFLICT";
  if (status === 401 || status === 403) return "ERR_ENGINE_UNAUTHORIZED";
  if (status === 405 || status === 406 || status === 501) return "ERR_ENGINE_UNSUPPORTED";
  if (status >= 400 && status <= 499) return "ERR_ENGINE_BAD_REQUEST";
  if (status >= 500 && status <= 599) return "ERR_ENGINE_SERVER";
  return "ERR_ENGINE_PROTOCOL";
}

const HINTS: { readonly [Code in EngineErrorCode]?: string } = {
  ERR_ENGINE_CONFLICT: "Something else uses or changes this object; look at it, then try again.",
  ERR_ENGINE_UNAUTHORIZED: "The engine, or an authorization plugin of it, forbids this call.",
  ERR_ENGINE_UNSUPPORTED: "Use a newer Docker engine.",
  ERR_ENGINE_SERVER:
    "Look at the engine's own log and at its free disk space (docker system df), then try again.",
};

/** A connection that failed before an answer came, by errno. */
export function connectionError(subject: string, address: string, cause: unknown): EngineError {
  const { code: errno = "", syscall } = cause as NodeJS.ErrnoException;
  const details = { subject, address, errno };
  if (errno === "EACCES" || errno === "EPERM") {
    return new EngineError(
      "ERR_ENGINE_PERMISSION",
      `${subject}: no permission to open the engine's socket ${address}`,
      { hint: PERMISSION_HINT, details, cause },
    );
  }
  if (errno.startsWith("HPE_")) {
    return protocolError(subject, `what answers at ${address} does not speak HTTP`, cause);
  }
  if (LOST.has(errno) && syscall !== "connect") {
    return truncatedError(subject, "the engine closed the connection before it answered", cause);
  }
  return new EngineError(
    "ERR_ENGINE_UNREACHABLE",
    `${subject}: no connection to the engine at ${address} (${errno})`,
    { hint: "Check that the engine runs, then try again.", retryable: true, details, cause },
  );
}

const LOST = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ETIMEDOUT"]);

/** What to do about a socket that may not be opened. */
export const PERMISSION_HINT =
  "Add yourself to the docker group (sudo usermod -aG docker $USER) and log in again, or use a rootless engine.";

/** A broken connection or a cut stream: what was asked for may have happened. */
export function truncatedError(subject: string, what: string, cause?: unknown): EngineError {
  return new EngineError("ERR_ENGINE_TRUNCATED", `${subject}: ${what}`, {
    hint: "The engine may have done what was asked: look before you repeat it.",
    retryable: true,
    details: { subject },
    ...errorCause(cause),
  });
}

/** An answer that is not what the Engine API documents. */
export function protocolError(subject: string, what: string, cause?: unknown): EngineError {
  return new EngineError("ERR_ENGINE_PROTOCOL", `${subject}: ${what}`, {
    hint: "Check that the address is a Docker engine and that no proxy changes its answers.",
    details: { subject },
    ...errorCause(cause),
  });
}

function errorCause(cause: unknown): Pick<ProvisionerErrorOptions, "cause"> {
  return cause === undefined ? {} : { cause };
}
