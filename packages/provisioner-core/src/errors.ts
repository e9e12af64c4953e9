import { ProvisionerError, type ProvisionerErrorOptions } from "@molecule-ai/core";

/** Every way a workspace can be refused, fail to come up, or be out of reach. */
export type WorkspaceErrorCode =
  | "ERR_WORKSPACE_ID_INVALID"
  | "ERR_WORKSPACE_NAME_INVALID"
  | "ERR_WORKSPACE_ENV_INVALID"
  | "ERR_WORKSPACE_ENV_RESERVED"
  | "ERR_WORKSPACE_ENV_TOO_LARGE"
  | "ERR_WORKSPACE_CONFIG_NAME_INVALID"
  | "ERR_WORKSPACE_CONFIG_TOO_LARGE"
  | "ERR_WORKSPACE_CONFIG_INVALID"
  | "ERR_WORKSPACE_NO_CONFIG_SOURCE"
  | "ERR_WORKSPACE_TOKEN_INVALID"
  | "ERR_WORKSPACE_TEMPLATE_NOT_FOUND"
  | "ERR_WORKSPACE_TEMPLATE_UNSAFE"
  | "ERR_WORKSPACE_TEMPLATE_TOO_LARGE"
  | "ERR_WORKSPACE_SETTINGS_INVALID"
  | "ERR_WORKSPACE_PATH_NOT_FOUND"
  | "ERR_WORKSPACE_EXISTS"
  | "ERR_WORKSPACE_BUSY"
  | "ERR_WORKSPACE_NAME_TAKEN"
  | "ERR_WORKSPACE_VOLUME_TAKEN"
  | "ERR_WORKSPACE_PORT_TAKEN"
  | "ERR_WORKSPACE_RESET_REFUSED"
  | "ERR_WORKSPACE_NOT_FOUND"
  | "ERR_WORKSPACE_NOT_RUNNING"
  | "ERR_WORKSPACE_IMAGE_NOT_FOUND"
  | "ERR_WORKSPACE_CREATE_FAILED"
  | "ERR_WORKSPACE_SEED_FAILED"
  | "ERR_WORKSPACE_START_FAILED"
  | "ERR_WORKSPACE_STOP_FAILED"
  | "ERR_WORKSPACE_EXITED"
  | "ERR_WORKSPACE_CRASH_LOOP"
  | "ERR_WORKSPACE_NOT_READY"
  | "ERR_WORKSPACE_FILE_PATH_INVALID"
  | "ERR_WORKSPACE_FILE_NOT_FOUND"
  | "ERR_WORKSPACE_FILE_KIND"
  | "ERR_WORKSPACE_FILE_TOO_LARGE"
  | "ERR_WORKSPACE_COPY_UNSAFE"
  | "ERR_WORKSPACE_COPY_TARGET";

/** A workspace was refused, did not come up, or could not be reached. */
export class WorkspaceError extends ProvisionerError<WorkspaceErrorCode> {
  constructor(code: WorkspaceErrorCode, message: string, options?: ProvisionerErrorOptions) {
    super(code, message, options);
  }
}

/** Why an image did not become present on the engine. */
export type ImageSourceErrorCode =
  | "ERR_IMAGE_REF_UNSUPPORTED"
  | "ERR_IMAGE_NOT_PRESENT"
  | "ERR_IMAGE_PULL_FAILED"
  | "ERR_IMAGE_PLATFORM_MISMATCH";

/** The image of a runtime could not be made present. */
export class ImageSourceError extends ProvisionerError<ImageSourceErrorCode> {
  constructor(code: ImageSourceErrorCode, message: string, options?: ProvisionerErrorOptions) {
    super(code, message, options);
  }
}
