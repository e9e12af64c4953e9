import { validateWorkspacePath } from "@molecule-ai/host-config";
import { realpath, stat } from "node:fs/promises";
import { WorkspaceError } from "../errors.js";
import type { WorkspacePlan } from "../workspace-plan.js";

/** The host directory a plan mounts at `/workspace`, when it does. */
export function hostWorkspacePath(plan: WorkspacePlan): string | undefined {
  for (const bind of plan.container.hostConfig.Binds) {
    const [source = "", target] = bind.split(":");
    if (target === "/workspace" && source.startsWith("/")) return source;
  }
  return undefined;
}

/**
 * Refuses a workspace directory that does not exist, which the engine would create as root, and one
 * that is a link to a forbidden place.
 */
export async function checkWorkspaceDirectory(
  plan: WorkspacePlan,
  socketPaths: readonly string[],
): Promise<void> {
  const path = hostWorkspacePath(plan);
  if (path === undefined) return;
  let real: string;
  let isDirectory: boolean;
  try {
    real = await realpath(path);
    isDirectory = (await stat(real)).isDirectory();
  } catch (error) {
    throw notFound(path, "does not exist", error);
  }
  if (!isDirectory) throw notFound(path, "is not a directory");
  validateWorkspacePath(real, { socketPaths });
}

function notFound(path: string, problem: string, cause?: unknown): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_PATH_NOT_FOUND",
    `The workspace directory ${path} ${problem}.`,
    { hint: "Create it first, or leave the path out to use a volume.", cause, details: { path } },
  );
}
