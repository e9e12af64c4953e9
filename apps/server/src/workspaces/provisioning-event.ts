import type { NewEvent } from "../store/events.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { Requester } from "./requester.js";

/** A workspace is going to be started; its tier tells the audit who asked for a privileged one. */
export function provisioningEvent(
  row: Pick<WorkspaceRow, "id" | "name" | "tier" | "runtime">,
  requester: Requester,
): NewEvent {
  return {
    type: "WORKSPACE_PROVISIONING",
    workspaceId: row.id,
    ...requester,
    payload: { name: row.name, tier: row.tier, runtime: row.runtime },
  };
}
