import { HostConfigError } from "./errors.js";
import { isBindable } from "./bind.js";

const SYSTEM_DIRECTORIES: readonly string[] = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/private/etc",
  "/private/var/run",
  "/proc",
  "/run",
  "/sbin",
  "/sys",
  "/usr",
  "/var",
];

const DEFAULT_SOCKET_PATHS: readonly string[] = ["/var/run/docker.sock", "/run/docker.sock"];
// PATH_MAX of Linux, without the closing zero.
const LONGEST_PATH = 4095;

export interface WorkspacePathOptions {
  /** Sockets of the engine, beside the well-known ones; neither they nor a directory above them may be mounted. */
  readonly socketPaths?: readonly string[] | undefined;
}

/**
 * The host directory for `/workspace`, normalised: no doubled slash, no `.`, no slash at the end.
 *
 * Refused with `ERR_HOST_CONFIG_PATH_INVALID`: relative, with `..`, with a colon, comma or control
 * character, too long. Refused with `ERR_HOST_CONFIG_PATH_FORBIDDEN`: `/`, system directories and
 * what is below them, the engine's socket and every directory that holds it. Looks at the text
 * alone: call it once with what was given and once more with the real path behind it.
 */
export function validateWorkspacePath(path: string, options: WorkspacePathOptions = {}): string {
  const segments = path.split("/");
  if (!path.startsWith("/") || segments.includes("..")) {
    throw invalidPath(path, "it must be absolute and must not hold `..`");
  }
  if (!isBindable(path)) {
    throw invalidPath(path, "colons, commas and control characters cannot be mounted");
  }
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw invalidPath(path, `it is longer than ${LONGEST_PATH} bytes`);
  }
  const normal = `/${segments.filter((segment) => segment !== "" && segment !== ".").join("/")}`;
  if (normal === "/") throw forbiddenPath(normal, "it is the whole host");

  const system = SYSTEM_DIRECTORIES.find((directory) => isWithin(normal, directory));
  if (system !== undefined) throw forbiddenPath(normal, `${system} belongs to the system`);

  const sockets = [...DEFAULT_SOCKET_PATHS, ...(options.socketPaths ?? [])];
  const socket = sockets.find((candidate) => isWithin(candidate, normal));
  if (socket !== undefined) throw forbiddenPath(normal, `it gives away the engine at ${socket}`);
  return normal;
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function invalidPath(path: string, reason: string): HostConfigError {
  return new HostConfigError(
    "ERR_HOST_CONFIG_PATH_INVALID",
    `Workspace path ${JSON.stringify(path.slice(0, 200))} cannot be used: ${reason}.`,
    { hint: "Give the absolute path of a directory of your own." },
  );
}

function forbiddenPath(path: string, reason: string): HostConfigError {
  return new HostConfigError(
    "ERR_HOST_CONFIG_PATH_FORBIDDEN",
    `Workspace path ${JSON.stringify(path.slice(0, 200))} may not be mounted: ${reason}.`,
    { hint: "Give a directory of your own, such as one in your home directory." },
  );
}
