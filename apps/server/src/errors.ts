import { ProvisionerError, type ProvisionerErrorOptions } from "@molecule-ai/core";

export type ServerErrorCode = "ERR_SERVER_CONFIG" | "ERR_SERVER_LISTEN";

/** What keeps the server from starting. */
export class ServerError extends ProvisionerError<ServerErrorCode> {
  constructor(code: ServerErrorCode, message: string, options?: ProvisionerErrorOptions) {
    super(code, message, options);
  }
}
