import { and, desc, eq, ne, sql } from "drizzle-orm";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { operations, workspaces } from "../store/schema.js";
import { listDescendantIds, transition, type WorkspaceRow } from "../store/workspaces.js";
import { lockWorkspace, workspaceNotFound } from "./lock-workspace.js";
import { purgeWorkspace } from "./purge-workspace.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME, requestForEach, writeDescendants } from "./subtree.js";

export interface RemoveOptions {
  /** Without it, a workspace with others below it is left alone. */
  readonly confirm: boolean;
  /** Forgets the rows once nothing is left on the engine. */
  readonly purge: boolean;
  readonly keepVolumes: boolean;
}

export type Removal =
  | {
      readonly kind: "confirmation-required";
      readonly children: readonly { readonly id: string; readonly name: string }[];
      readonly descendants: number;
    }
  | {
      readonly kind: "removed";
      readonly removed: number;
      readonly operations: readonly OperationRow[];
    };

/**
 * Removes a workspace and all below it: from here on they are gone for everybody, and an operation
 * of each cleans up. Asked again for one that is removed already, it cleans up again what is left.
 *
 * @throws ServerError `ERR_NOT_FOUND`
 */
export async function removeWorkspace(
  context: ServerContext,
  id: string,
  options: RemoveOptions,
  requester: Requester,
): Promise<Removal> {
  return context.store.db.transaction(async (tx): Promise<Removal> => {
    const root = await lockWorkspace(tx, id);
    if (root === undefined) throw workspaceNotFound(id);
    if (!options.confirm) {
      const descendants = await listDescendantIds(tx, id);
      if (descendants.length > 0) {
        const children = await listChildren(tx, id);
        return { kind: "confirmation-required", children, descendants: descendants.length };
      }
    }
    const remove = (workspaceId: string): Promise<WorkspaceRow | undefined> =>
      transition(tx, workspaceId, "remove", {
        patch: { removedAt: sql`clock_timestamp()`, keepVolumes: options.keepVolumes },
      });
    const removedRoot = await remove(id);
    const below = await writeDescendants(tx, id, remove);
    const gone = removedRoot === undefined ? below : [removedRoot, ...below];
    const revoked: NewEvent[] = [];
    for (const row of gone) {
      const tokens = await context.tokens.revokeAll(tx, row.id);
      revoked.push(...tokens.map((token) => tokenRevoked(row.id, token.id, requester)));
    }
    const toClean =
      removedRoot === undefined && (options.purge || !(await isClean(tx, id)))
        ? [root, ...below]
        : gone;
    const requested = await requestForEach(tx, context, toClean, {
      kind: "remove",
      params: { purge: options.purge || undefined, keepVolumes: options.keepVolumes || undefined },
      requester,
    });
    const forgotten: NewEvent[] = [];
    if (options.purge) {
      for (const row of [...toClean].reverse()) {
        if (row.runtime !== EXTERNAL_RUNTIME) continue;
        forgotten.push(...(await purgeWorkspace(tx, row.id, requester)));
      }
    }
    await recordEvents(tx, [
      ...requested.events,
      ...revoked,
      // Those below first: whoever listens never sees a child without its parent.
      ...[...gone].reverse().map((row): NewEvent => {
        return {
          type: "WORKSPACE_REMOVED",
          workspaceId: row.id,
          ...requester,
          payload: {
            name: row.name,
            cascade_deleted: row.id === id ? below.length : 0,
            keep_volumes: options.keepVolumes,
          },
        };
      }),
      ...forgotten,
    ]);
    return { kind: "removed", removed: gone.length, operations: requested.operations };
  });
}

function listChildren(tx: Database, id: string): Promise<{ id: string; name: string }[]> {
  return tx
    .select({ id: workspaces.id, name: workspaces.name })
    .from(workspaces)
    .where(and(eq(workspaces.parentId, id), ne(workspaces.status, "removed")))
    .orderBy(workspaces.createdAt, workspaces.id)
    .limit(1000);
}

/** True when the last removal of a removed workspace left nothing behind. */
async function isClean(tx: Database, id: string): Promise<boolean> {
  const [last] = await tx
    .select({ state: operations.state })
    .from(operations)
    .where(and(eq(operations.workspaceId, id), eq(operations.kind, "remove")))
    .orderBy(desc(operations.createdAt))
    .limit(1);
  return last?.state === "succeeded";
}

function tokenRevoked(workspaceId: string, tokenId: string, requester: Requester): NewEvent {
  return { type: "TOKEN_REVOKED", workspaceId, ...requester, payload: { token_id: tokenId } };
}
