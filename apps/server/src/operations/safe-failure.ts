import { isProvisionerError, ProvisionerError } from "@molecule-ai/core";

/** What people are told of an error whose words may tell of machines, paths or addresses. */
const UNSPOKEN = "provisioning failed";

/**
 * The error as people may see it: what this project says of workspaces, images and requests is said,
 * while the engine's own words, and those of strangers, stay in the cause.
 */
export function toSafeFailure(error: unknown): ProvisionerError {
  if (isProvisionerError(error) && !isInternal(error.code)) return error;
  return new ProvisionerError(isProvisionerError(error) ? error.code : "ERR_INTERNAL", UNSPOKEN, {
    hint: "Look for the id of the operation in the server's log.",
    retryable: isProvisionerError(error) && error.retryable,
    cause: error,
  });
}

function isInternal(code: string): boolean {
  return code === "ERR_INTERNAL" || code.startsWith("ERR_ENGINE_");
}
