import { formatBind, volumeBind } from "./bind.js";
import { HostConfigError } from "./errors.js";
import { validateWorkspacePath, type WorkspacePathOptions } from "./workspace-path.js";

/** How `/workspace` may use the host directory; the empty string means "not said". */
export type WorkspaceAccess = "" | "none" | "read_only" | "read_write";

const ACCESSES: readonly string[] = ["", "none", "read_only", "read_write"];
const WORKSPACE = "/workspace";

export interface WorkspaceMountOptions extends WorkspacePathOptions {
  /** Whole workspace id; the volume is named by it. */
  readonly id: string;
  /** Host directory. */
  readonly path?: string | undefined;
  /** Not said, with a path, is `read_write`: whoever names a directory wants it. */
  readonly access?: WorkspaceAccess | undefined;
}

/** What is mounted at `/workspace`. */
export type WorkspaceMount =
  | { readonly kind: "volume"; readonly volume: string; readonly bind: string }
  | {
      readonly kind: "host";
      readonly path: string;
      readonly readOnly: boolean;
      readonly bind: string;
    };

/** Name of the volume for `/workspace`: the whole id, so that no two workspaces share one. */
export function workspaceVolumeName(id: string): string {
  return `ws-${id}-workspace`;
}

/**
 * Decides what `/workspace` is: the host directory, or a named volume when there is none or access
 * is `none`. Throws what {@link validateWorkspaceAccess} and {@link validateWorkspacePath} throw.
 */
export function workspaceMount(options: WorkspaceMountOptions): WorkspaceMount {
  const access = options.access ?? "";
  const given = options.path ?? "";
  validateWorkspaceAccess(access, given);
  if (given === "" || access === "none") {
    const volume = workspaceVolumeName(options.id);
    return { kind: "volume", volume, bind: volumeBind(volume, WORKSPACE) };
  }
  const path = validateWorkspacePath(given, options);
  const readOnly = access === "read_only";
  return { kind: "host", path, readOnly, bind: formatBind(path, WORKSPACE, readOnly) };
}

/**
 * Throws `ERR_HOST_CONFIG_ACCESS_INVALID` for an access that is none of the three, and for one that
 * needs a host directory when none is given. Ported from the Go provisioner's
 * ValidateWorkspaceAccess.
 */
export function validateWorkspaceAccess(
  access: string,
  path: string | undefined,
): asserts access is WorkspaceAccess {
  if (!ACCESSES.includes(access)) {
    throw new HostConfigError(
      "ERR_HOST_CONFIG_ACCESS_INVALID",
      `Workspace access ${JSON.stringify(access.slice(0, 80))} is not known.`,
      { hint: "Use none, read_only or read_write." },
    );
  }
  if ((access === "read_only" || access === "read_write") && (path ?? "") === "") {
    throw new HostConfigError(
      "ERR_HOST_CONFIG_ACCESS_INVALID",
      `Workspace access ${access} needs a workspace path.`,
      { hint: "Give the path of a host directory, or leave the access out." },
    );
  }
}
