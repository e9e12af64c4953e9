import { z } from "zod";
import { OPERATION_KINDS, OPERATION_STATES } from "../state/operation-state.js";

const moment = z.iso.datetime({ offset: true });

/** An operation as clients see it. */
export const operationView = z
  .object({
    id: z.uuid(),
    workspace_id: z.uuid(),
    kind: z.enum(OPERATION_KINDS),
    state: z.enum(OPERATION_STATES),
    requested_by: z.string(),
    attempt: z.int().nonnegative().describe("How often a worker took it."),
    host_id: z.string().nullable(),
    stage: z.string().nullable().describe("What it is doing, or was doing when it ended."),
    stage_started_at: moment.nullable(),
    progress_at: moment.nullable(),
    position: z.int().positive().nullable().describe("Place in the queue; 1 is next."),
    cancel_requested: z.boolean(),
    timings: z.array(z.object({ stage: z.string(), duration_ms: z.number() })).nullable(),
    error: z
      .object({
        code: z.string(),
        message: z.string(),
        hint: z.string().nullable(),
        log_tail: z.string().nullable().describe("Last output of the agent, when it has ended."),
      })
      .nullable(),
    created_at: moment,
    started_at: moment.nullable(),
    finished_at: moment.nullable(),
  })
  .meta({ id: "Operation" });
export type OperationView = z.infer<typeof operationView>;
