import { z } from "zod";
import { OPERATION_STATES } from "../state/operation-state.js";
import { errorBody } from "./error-body.js";

/** The operations a request led to; `GET /workspaces/:id/operations/:operationId` tells more. */
export const operationRefs = z.array(
  z.object({ id: z.uuid(), workspace_id: z.uuid(), state: z.enum(OPERATION_STATES) }),
);

const access = z.enum(["none", "read_only", "read_write"]);

/** What an agent that runs elsewhere needs to join. */
const connectionView = z.object({
  workspace_id: z.uuid(),
  platform_url: z.string(),
  auth_token: z
    .string()
    .optional()
    .describe("Told once: a repeated answer of an Idempotency-Key is without it."),
  registry_endpoint: z.string(),
  heartbeat_endpoint: z.string(),
});

export const createdAnswer = z
  .object({
    id: z.uuid(),
    status: z.enum(["provisioning", "online", "awaiting_agent"]),
    external: z.literal(true).optional(),
    awareness_namespace: z.string(),
    workspace_access: access,
    connection: connectionView.optional(),
    runtime: z.string(),
    model: z.string().nullable(),
    template: z.string().nullable(),
    tier: z.int(),
    warnings: z.array(z.string()).optional().describe("What was taken, but has no effect."),
    operations: operationRefs,
  })
  .meta({ id: "CreatedWorkspace" });
export type CreatedAnswer = z.infer<typeof createdAnswer>;

export const stateAnswer = z.object({
  workspace_id: z.uuid(),
  status: z.string(),
  paused: z.boolean(),
  deleted: z.literal(false),
});
export const stateGoneAnswer = errorBody.extend({
  workspace_id: z.uuid(),
  deleted: z.literal(true),
});

export const updatedAnswer = z.object({
  status: z.literal("updated"),
  needs_restart: z
    .boolean()
    .optional()
    .describe("True when a change takes effect at the next restart."),
});

export const confirmationAnswer = errorBody.extend({
  status: z.literal("confirmation_required"),
  children: z.array(z.object({ id: z.uuid(), name: z.string() })),
  children_count: z.int(),
  descendants_count: z.int().describe("Children, their children, and so on."),
});

export const removedAnswer = z.object({
  status: z.enum(["removed", "purged"]),
  cascade_deleted: z.int(),
  operations: operationRefs.describe("Those not yet finished go on by themselves."),
});

const stopFailures = z.array(
  z.object({
    workspace_id: z.uuid(),
    operation_id: z.uuid(),
    code: z.string(),
    message: z.string(),
  }),
);
/** A workspace is removed or paused, but its container could not be stopped. */
export const stopIncompleteAnswer = errorBody.extend({
  removed_count: z.int().optional(),
  paused_count: z.int().optional(),
  stop_failures: z.int(),
  failures: stopFailures,
});

export const restartedAnswer = z.object({
  status: z.literal("provisioning"),
  config_dir: z.string().describe("The template it is configured by, or `existing-volume`."),
  reset_session: z.boolean(),
  operations: operationRefs,
});
export const pausedAnswer = z.object({
  status: z.literal("paused"),
  paused_count: z.int(),
  operations: operationRefs,
});
export const resumedAnswer = z.object({
  status: z.enum(["provisioning", "awaiting_agent"]),
  resumed_count: z.int(),
  operations: operationRefs,
});
export const hibernatedAnswer = z.object({
  status: z.enum(["hibernating", "hibernated"]),
  interrupted_tasks: z.int().optional().describe("Tasks that force=true cut off."),
  operations: operationRefs,
});
export const tasksActiveAnswer = errorBody.extend({ active_tasks: z.int().optional() });
export const bootstrapFailedAnswer = z.object({
  ok: z.literal(true),
  no_change: z.literal(true).optional(),
});
