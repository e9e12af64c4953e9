import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import { listDescendantIds, type WorkspaceRow } from "../store/workspaces.js";
import { requestOperation } from "./request-operation.js";

/**
 * Does `write` to all below a workspace, nearest first, also to those that are added meanwhile: who
 * adds one holds its parent, so that one is seen once its parent was written.
 *
 * @returns the rows that `write` gave back.
 */
export async function writeDescendants(
  tx: Database,
  id: string,
  write: (id: string) => Promise<WorkspaceRow | undefined>,
): Promise<WorkspaceRow[]> {
  const written: WorkspaceRow[] = [];
  const seen = new Set<string>();
  for (;;) {
    const found = (await listDescendantIds(tx, id)).filter((below) => !seen.has(below));
    if (found.length === 0) return written;
    for (const below of found) {
      seen.add(below);
      const row = await write(below);
      if (row !== undefined) written.push(row);
    }
  }
}

/**
 * Asks for an operation of each row that has a container, once all of them are written: each holds
 * its row, and whoever writes several takes the rows first.
 */
export async function requestForEach(
  tx: Database,
  context: Pick<ServerContext, "operations">,
  rows: readonly WorkspaceRow[],
  requested: Parameters<typeof requestOperation>[3],
): Promise<{ readonly operations: OperationRow[]; readonly events: NewEvent[] }> {
  const operations: OperationRow[] = [];
  const events: NewEvent[] = [];
  for (const row of rows) {
    if (row.runtime === EXTERNAL_RUNTIME) continue;
    const request = await requestOperation(tx, context, row, requested);
    operations.push(request.operation);
    events.push(...request.events);
  }
  return { operations, events };
}

/** The runtime of an agent that runs elsewhere: it has no container, so nothing is done to one. */
export const EXTERNAL_RUNTIME = "external";
