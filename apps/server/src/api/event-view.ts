import { z } from "zod";
import type { EventRow } from "../store/events.js";

/** Something that happened, as clients see it. */
export const eventView = z
  .object({
    id: z.int().positive().describe("Grows in the order in which things happened."),
    event_type: z.string(),
    workspace_id: z.uuid().nullable(),
    operation_id: z.uuid().nullable(),
    actor: z.string().describe("`admin`, `workspace:<id>` or `system:<what>`."),
    request_id: z.string().nullable(),
    payload: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime({ offset: true }),
  })
  .meta({ id: "Event" });
export type EventView = z.infer<typeof eventView>;

export function toEventView(row: EventRow): EventView {
  return {
    id: row.id,
    event_type: row.eventType,
    workspace_id: row.workspaceId,
    operation_id: row.operationId,
    actor: row.actor,
    request_id: row.requestId,
    payload: row.payload,
    created_at: row.createdAt.toISOString(),
  };
}
