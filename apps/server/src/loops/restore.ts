import type { Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { patchWorkspace, transition } from "../store/workspaces.js";
import { holdUnchanged } from "./hold-unchanged.js";

const ACTOR = "system:health";

interface Seen {
  readonly id: string;
  readonly version: number;
}

/** A workspace that was lost runs again: it is online. False when it changed since it was seen. */
export async function restore(db: Database, seen: Seen, url: string | undefined): Promise<boolean> {
  return db.transaction(async (tx) => {
    const row = await holdUnchanged(tx, seen);
    if (row === undefined) return false;
    const patch = url === undefined || !row.urlTrusted ? {} : { url };
    if ((await transition(tx, seen.id, "restore", { patch })) === undefined) return false;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_ONLINE",
        workspaceId: seen.id,
        actor: ACTOR,
        payload: { source: "health" },
      },
    ]);
    return true;
  });
}

/** An engine that starts a container again may give it another port. */
export async function storeUrl(db: Database, seen: Seen, url: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    if ((await holdUnchanged(tx, seen)) === undefined) return false;
    if ((await patchWorkspace(tx, seen.id, { url })) === undefined) return false;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_UPDATED",
        workspaceId: seen.id,
        actor: ACTOR,
        payload: { fields: ["url"], source: "health" },
      },
    ]);
    return true;
  });
}
