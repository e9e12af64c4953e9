import { ProvisionerError, type ProvisionerErrorOptions } from "@molecule-ai/core";

export type ServerErrorCode =
  | "ERR_SERVER_CONFIG"
  | "ERR_SERVER_LISTEN"
  | "ERR_STORE_DIRECTORY"
  | "ERR_STORE_IN_USE"
  | "ERR_STORE_NEWER"
  | "ERR_STORE_UNAVAILABLE"
  | "ERR_REQUEST_INVALID"
  | "ERR_REQUEST_TOO_LARGE"
  | "ERR_ROUTE_NOT_FOUND"
  | "ERR_UNAUTHENTICATED"
  | "ERR_FORBIDDEN"
  | "ERR_RATE_LIMITED"
  | "ERR_NOT_FOUND"
  | "ERR_CONFLICT"
  | "ERR_IDEMPOTENCY_KEY_REUSED"
  | "ERR_TIER_NOT_ALLOWED"
  | "ERR_AGENT_URL_REFUSED"
  | "ERR_AGENT_NOT_READY"
  | "ERR_SECRET_NAME_RESERVED"
  | "ERR_SECRET_KEY_MISSING"
  | "ERR_SECRET_UNREADABLE"
  | "ERR_ENGINE_UNAVAILABLE"
  | "ERR_HOST_UNREACHABLE"
  | "ERR_STOP_INCOMPLETE"
  | "ERR_CONSOLE_UNAVAILABLE"
  | "ERR_OPERATION_CANCELLED"
  | "ERR_OPERATION_LOST"
  | "ERR_REQUIRED_ENV_MISSING"
  | "ERR_STREAM_LIMIT"
  | "ERR_STREAM_SLOW"
  | "ERR_INTERNAL"
  // The name that clients of the platform know.
  | "platform_unavailable";

/** A request the server refuses, or what keeps the server itself from working. */
export class ServerError extends ProvisionerError<ServerErrorCode> {
  constructor(code: ServerErrorCode, message: string, options?: ProvisionerErrorOptions) {
    super(code, message, options);
  }
}
