import type { BackendOptions, WorkspaceBackend } from "./workspace-backend.js";

/**
 * True while the backend keeps the process of workspace `id` up: also paused, and between two
 * restarts. False when it is stopped, or when there certainly is none. Doubt rejects: a time-out, a
 * broken connection or a 5xx never counts as absence.
 */
export async function isRunning(
  backend: Pick<WorkspaceBackend, "inspect">,
  id: string,
  options: BackendOptions = {},
): Promise<boolean> {
  const workspace = await backend.inspect(id, options);
  if (workspace === undefined) return false;
  return ["running", "paused", "restarting"].includes(workspace.status);
}
