import { eq } from "drizzle-orm";
import { ServerError } from "../errors.js";
import type { Database } from "../store/database.js";
import { workspaces } from "../store/schema.js";
import { listAncestors, type WorkspaceRow } from "../store/workspaces.js";

/** The row, held against every other writer until the transaction ends; undefined when there is none. */
export async function lockWorkspace(tx: Database, id: string): Promise<WorkspaceRow | undefined> {
  const [row] = await tx.select().from(workspaces).where(eq(workspaces.id, id)).for("update");
  return row;
}

/** @throws ServerError `ERR_NOT_FOUND` also for a removed one. */
export async function lockPresentWorkspace(tx: Database, id: string): Promise<WorkspaceRow> {
  const row = await lockWorkspace(tx, id);
  if (row === undefined || row.status === "removed") throw workspaceNotFound(id);
  return row;
}

/** An agent runs, as far as is known. */
export function isAwake({ status }: Pick<WorkspaceRow, "status">): boolean {
  return status === "online" || status === "degraded";
}

/** @throws ServerError `ERR_CONFLICT` when a workspace above is paused: that one is to be resumed. */
export async function refusePausedAncestor(tx: Database, id: string): Promise<void> {
  const paused = (await listAncestors(tx, id)).find(({ status }) => status === "paused");
  if (paused === undefined) return;
  throw new ServerError("ERR_CONFLICT", `Workspace ${paused.id} above this one is paused.`, {
    hint: `Resume that one: POST /workspaces/${paused.id}/resume.`,
    details: { paused_ancestor: paused.id },
  });
}

/** `reason` is what else it may mean. */
export function workspaceNotFound(id: string, reason = ""): ServerError {
  return new ServerError(
    "ERR_NOT_FOUND",
    `There is no workspace ${id}${reason === "" ? "" : `, ${reason}`}.`,
    { hint: "GET /workspaces lists all there are." },
  );
}
