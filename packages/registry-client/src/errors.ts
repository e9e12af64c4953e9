import {
  isProvisionerError,
  ProvisionerError,
  type ProvisionerErrorOptions,
} from "@molecule-ai/core";

export type RegistryErrorCode =
  /** No connection, or none that is trusted. */
  | "ERR_REGISTRY_UNREACHABLE"
  /** The connection broke in the middle of an answer or an upload. */
  | "ERR_REGISTRY_DISCONNECTED"
  /** The registry fell silent. */
  | "ERR_REGISTRY_TIMEOUT"
  /** It wants other credentials, or any. */
  | "ERR_REGISTRY_UNAUTHORIZED"
  /** It knows who asks, and refuses. */
  | "ERR_REGISTRY_FORBIDDEN"
  /** No such repository, manifest or blob, or none that may be seen. */
  | "ERR_REGISTRY_NOT_FOUND"
  | "ERR_REGISTRY_RATE_LIMITED"
  /** It does not do that: deleting is switched off, an old kind of manifest. */
  | "ERR_REGISTRY_UNSUPPORTED"
  /** Any other status that is not a success. */
  | "ERR_REGISTRY_STATUS"
  /** An answer that is not what the distribution API documents. */
  | "ERR_REGISTRY_ANSWER_INVALID"
  /** An answer above its limit. */
  | "ERR_REGISTRY_TOO_LARGE"
  /** Bytes that are not what their digest or length says. */
  | "ERR_REGISTRY_DIGEST"
  /** It sends us somewhere we do not go: another scheme, too many times. */
  | "ERR_REGISTRY_REDIRECT_REFUSED"
  /** The image has no variant for that platform, or several and none was named. */
  | "ERR_REGISTRY_PLATFORM"
  /** An argument that cannot be a host, digest, tag or media type. */
  | "ERR_REGISTRY_ARGUMENT"
  /** The client was disposed. */
  | "ERR_REGISTRY_CLOSED";

/**
 * A failed exchange with a registry, classified by status and errno, never by text. `details` may
 * hold `host`, `subject`, `status`, `registryCode` and `registryMessage` (the registry's own words,
 * cleaned and bounded; for people, never to match on).
 */
export class RegistryError extends ProvisionerError<RegistryErrorCode> {}

/** True for errors of this package; with `code`, only for that code. */
export function isRegistryError<Code extends RegistryErrorCode>(
  error: unknown,
  code?: Code,
): error is RegistryError & { readonly code: Code } {
  return isProvisionerError(error, code) && error.code.startsWith("ERR_REGISTRY_");
}

/** An answer that cannot be used. */
export function invalidAnswer(
  host: string,
  subject: string,
  what: string,
  cause?: unknown,
): RegistryError {
  return new RegistryError("ERR_REGISTRY_ANSWER_INVALID", `${host}, ${subject}: ${what}.`, {
    hint: "Check that the host is a registry and that no proxy changes its answers.",
    details: { host, subject },
    ...errorCause(cause),
  });
}

/** Bytes, or a registry's word about them, that contradict a digest. */
export function wrongDigest(host: string, subject: string, what: string): RegistryError {
  return new RegistryError("ERR_REGISTRY_DIGEST", `${host}, ${subject}: ${what}.`, {
    hint: "Something on the way changes what is transferred, or the registry's storage is damaged.",
    details: { host, subject },
  });
}

export function tooLarge(host: string, subject: string, maxBytes: number): RegistryError {
  return new RegistryError(
    "ERR_REGISTRY_TOO_LARGE",
    `${host}, ${subject}: the answer is larger than ${maxBytes} bytes.`,
    {
      hint: "Check that the host is a registry and that the name is an image's.",
      details: { host, subject, maxBytes },
    },
  );
}

export function wrongArgument(message: string, hint: string): RegistryError {
  return new RegistryError("ERR_REGISTRY_ARGUMENT", message, { hint });
}

/** An absent cause must not be printed as one. */
export function errorCause(cause: unknown): Pick<ProvisionerErrorOptions, "cause"> {
  return cause === undefined ? {} : { cause };
}
