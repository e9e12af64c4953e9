import { eq, sql } from "drizzle-orm";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import { builds, workspaces } from "../store/schema.js";
import type { Requester } from "./requester.js";

/**
 * Forgets a removed workspace and all that hangs on it; its operations and events stay until they
 * are too old. Does nothing to one that is not removed.
 *
 * @returns the events to record at the end of the transaction.
 */
export async function purgeWorkspace(
  tx: Database,
  id: string,
  requester: Requester,
): Promise<NewEvent[]> {
  const [row] = await tx
    .select({ name: workspaces.name, status: workspaces.status })
    .from(workspaces)
    .where(eq(workspaces.id, id))
    .for("update");
  if (row?.status !== "removed") return [];
  await tx
    .update(workspaces)
    .set({ parentId: sql`null` })
    .where(eq(workspaces.parentId, id));
  await tx.delete(builds).where(eq(builds.workspaceId, id));
  // Secrets, configuration and tokens go with the row.
  await tx.delete(workspaces).where(eq(workspaces.id, id));
  return [{ type: "WORKSPACE_PURGED", workspaceId: id, ...requester, payload: { name: row.name } }];
}
