import { ProvisionerError } from "@molecule-ai/core";

export type HostConfigErrorCode =
  /** The workspace access is none of the three, or needs a path that is not given. */
  | "ERR_HOST_CONFIG_ACCESS_INVALID"
  /** The workspace path is not absolute, leaves itself, or cannot be written as a bind. */
  | "ERR_HOST_CONFIG_PATH_INVALID"
  /** The workspace path is a system directory or holds the engine's socket. */
  | "ERR_HOST_CONFIG_PATH_FORBIDDEN"
  /** A volume name, source or target cannot be written as a bind. */
  | "ERR_HOST_CONFIG_BIND_INVALID"
  /** The engine has no OCI runtime of the configured name. */
  | "ERR_HOST_CONFIG_RUNTIME_MISSING";

/** Why a workspace may not have what was asked for. */
export class HostConfigError extends ProvisionerError<HostConfigErrorCode> {}
