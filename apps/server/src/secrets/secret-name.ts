import { isProvisionerError } from "@molecule-ai/core";
import { RESERVED_ENV_NAMES, validateEnvironment } from "@molecule-ai/provisioner-core";
import { ServerError } from "../errors.js";

export const MAX_SECRET_NAME_LENGTH = 128;
export const MAX_SECRET_BYTES = 64 * 1024;

/**
 * Refuses, before anything is written, what a provision would refuse later, and what is too long.
 * A value is never part of the error.
 *
 * @throws ServerError `ERR_SECRET_NAME_RESERVED` or `ERR_REQUEST_INVALID`
 */
export function validateSecret(key: string, value: string): void {
  if (key.length > MAX_SECRET_NAME_LENGTH) {
    throw refused(
      `The name of a secret has at most ${MAX_SECRET_NAME_LENGTH} characters.`,
      "Choose a shorter name.",
    );
  }
  if (Buffer.byteLength(value) > MAX_SECRET_BYTES) {
    throw refused(
      `The value of ${JSON.stringify(key)} is longer than ${MAX_SECRET_BYTES} bytes.`,
      "Put long content into a file of the template.",
    );
  }
  try {
    validateEnvironment({ secrets: { [key]: value } });
  } catch (error) {
    if (!isProvisionerError(error)) throw error;
    if (error.code !== "ERR_WORKSPACE_ENV_RESERVED") throw refused(error.message, error.hint);
    throw new ServerError("ERR_SECRET_NAME_RESERVED", error.message, {
      hint: `Choose another name; reserved are ${RESERVED_ENV_NAMES.join(", ")}.`,
      details: { key },
    });
  }
}

function refused(message: string, hint: string | undefined): ServerError {
  return new ServerError("ERR_REQUEST_INVALID", message, { hint });
}
