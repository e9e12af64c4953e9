import { validateWorkspaceAccess, validateWorkspacePath } from "@molecule-ai/host-config";

/**
 * The directory as it will be stored; undefined stays undefined.
 *
 * @throws HostConfigError `ERR_HOST_CONFIG_PATH_INVALID`, `ERR_HOST_CONFIG_PATH_FORBIDDEN`, and
 *   `ERR_HOST_CONFIG_ACCESS_INVALID` when `access` needs a directory and neither `directory` nor the
 *   server's `fallback` is one.
 */
export function checkWorkspaceDirectory(
  directory: string | undefined,
  access: string,
  fallback: string | undefined,
): string | undefined {
  validateWorkspaceAccess(access, directory ?? fallback);
  return directory === undefined ? undefined : validateWorkspacePath(directory);
}
