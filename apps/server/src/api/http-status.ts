import type { ProvisionerError } from "@molecule-ai/core";

/** What an error means to an HTTP client; a code that is not here is 500. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ERR_REQUEST_INVALID: 400,
  ERR_AGENT_URL_REFUSED: 400,
  ERR_SECRET_NAME_RESERVED: 400,
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_TIER_NOT_ALLOWED: 403,
  ERR_NOT_FOUND: 404,
  ERR_ROUTE_NOT_FOUND: 404,
  ERR_CONFLICT: 409,
  ERR_REQUEST_TOO_LARGE: 413,
  ERR_IDEMPOTENCY_KEY_REUSED: 422,
  ERR_RATE_LIMITED: 429,
  ERR_SECRET_KEY_MISSING: 503,
  ERR_ENGINE_UNAVAILABLE: 503,
  ERR_HOST_UNREACHABLE: 503,
  ERR_STORE_UNAVAILABLE: 503,
};

export function httpStatusOf(error: ProvisionerError): number {
  return STATUS_OF_CODE[error.code] ?? 500;
}
