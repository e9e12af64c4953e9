import { ProvisionerError } from "@molecule-ai/core";

export type RegistryModeErrorCode =
  /** The name is well formed, but no runtime of that name is allowed here. */
  | "ERR_RUNTIME_UNKNOWN"
  /** The name could not be the name of any runtime: path tricks, upper case, spaces. */
  | "ERR_RUNTIME_NAME_INVALID"
  /** The text cannot be a branch, tag or commit of a template. */
  | "ERR_RUNTIME_REF_INVALID"
  /** The text is no image reference. */
  | "ERR_IMAGE_REFERENCE_INVALID"
  /** The registry prefix makes no valid image reference. */
  | "ERR_IMAGE_PREFIX_INVALID"
  /** The list of pins cannot be read, or pins something that is no digest. */
  | "ERR_IMAGE_PINS_INVALID"
  /** The platform is not `os/arch[/variant]`. */
  | "ERR_IMAGE_PLATFORM_INVALID";

/** Why no image can be named for a runtime. */
export class RegistryModeError extends ProvisionerError<RegistryModeErrorCode> {}
