import { and, eq, inArray, ne, sql } from "drizzle-orm";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import type { Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { notify } from "../store/notifications.js";
import { operations, workspaces } from "../store/schema.js";

export interface Adoption {
  /** The engine that will not come back; undefined: every other one. */
  readonly from: string | undefined;
  /** The engine that takes over. */
  readonly to: string;
  readonly actor: string;
  readonly requestId?: string | undefined;
}

/**
 * Gives the workspaces and unfinished operations of an engine that is gone to another one. What ran is
 * found lost there by the health loop, and made anew; the volumes stay where they were.
 *
 * @returns how many workspaces moved, removed ones that were still to be cleaned up included.
 */
export async function adoptWorkspaces(db: Database, adoption: Adoption): Promise<number> {
  const { from, to, actor, requestId } = adoption;
  return db.transaction(async (tx) => {
    const moved = await tx
      .update(workspaces)
      .set({ hostId: to, version: sql`${workspaces.version} + 1` })
      .where(from === undefined ? ne(workspaces.hostId, to) : eq(workspaces.hostId, from))
      .returning({ id: workspaces.id });
    await tx
      .update(operations)
      .set({ hostId: to })
      .where(
        and(
          from === undefined ? ne(operations.hostId, to) : eq(operations.hostId, from),
          inArray(operations.state, [...UNFINISHED_STATES]),
        ),
      );
    if (moved.length === 0) return 0;
    // Whoever works for that engine looks at all of the queue.
    await notify(tx, "molecule_operations", "");
    await recordEvents(tx, [
      {
        type: "HOST_RETIRED",
        actor,
        requestId,
        payload: { from: from ?? null, to, workspaces: moved.length },
      },
    ]);
    return moved.length;
  });
}
