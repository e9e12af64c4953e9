import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { provisioningEvent } from "../workspaces/provisioning-event.js";
import { requestOperation } from "../workspaces/request-operation.js";
import type { Requester } from "../workspaces/requester.js";

/** Seconds after which it is worth asking a waking workspace again. */
export const WAKING_SECONDS = 15;

/**
 * Starts a hibernated workspace, because somebody wants its agent. False when it is not hibernated:
 * of several who ask at once, one wakes it.
 */
export async function wakeWorkspace(
  context: Pick<ServerContext, "store" | "operations">,
  id: string,
  requester: Requester,
): Promise<boolean> {
  return context.store.db.transaction(async (tx) => {
    const row = await transition(tx, id, "wake", { patch: { provisionStartedAt: null } });
    if (row === undefined) return false;
    const { events } = await requestOperation(tx, context, row, { kind: "resume", requester });
    await recordEvents(tx, [provisioningEvent(row, requester), ...events]);
    return true;
  });
}
