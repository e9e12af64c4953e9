import { z } from "zod";
import { WORKSPACE_STATUSES } from "../state/workspace-status.js";
import { admissionView } from "./admission-view.js";
import { provenanceView } from "./provenance-view.js";

const moment = z.iso.datetime({ offset: true });

/** What everybody may know of a workspace: `GET /workspaces/:id`. */
export const publicWorkspaceView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    role: z.string(),
    tier: z.int(),
    status: z.enum(WORKSPACE_STATUSES),
    runtime: z.string(),
    model: z.string().nullable(),
    agent_card: z.unknown(),
    url: z.string().nullable(),
    parent_id: z.uuid().nullable(),
    forwarded_to: z.uuid().nullable(),
    workspace_access: z.enum(["none", "read_only", "read_write"]),
    max_concurrent_tasks: z.int(),
    active_tasks: z.int(),
    uptime_seconds: z.int(),
    last_error_rate: z.number(),
    last_heartbeat_at: moment.nullable(),
    last_outbound_at: moment.nullable(),
    hibernation_idle_minutes: z.int(),
    collapsed: z.boolean(),
    x: z.number(),
    y: z.number(),
    created_at: moment,
    updated_at: moment,
  })
  .meta({ id: "PublicWorkspace" });

/** Why a workspace is in its status: the last operation and how it stands. */
export const whyView = z
  .object({
    operation_id: z.uuid().nullable(),
    kind: z.string().nullable(),
    state: z.string().nullable(),
    stage: z.string().nullable(),
    code: z.string().nullable(),
    message: z.string().nullable(),
    hint: z.string().nullable(),
    log_tail: z.string().nullable(),
  })
  .meta({ id: "Why" });

/** What its owner and the administrator are told besides by `GET /workspaces/:id`. */
export const ownWorkspaceView = publicWorkspaceView
  .extend({
    template: z.string().nullable(),
    tier_applied: z.int().nullable().describe("The tier its container really has."),
    image: z.string().nullable(),
    runtime_image_digest: z.string().nullable(),
    image_revision: z
      .string()
      .nullable()
      .describe("Commit of the template the image was built from."),
    image_tree: z.string().nullable(),
    host_id: z.string().nullable(),
    provision_started_at: moment.nullable(),
    removed_at: moment.nullable(),
    admission: admissionView.nullable().describe("What was said of the image of its last start."),
    why: whyView,
  })
  .meta({ id: "OwnWorkspace" });

/** Rows of `GET /workspaces`, for the administrator. */
export const workspaceView = ownWorkspaceView
  .extend({
    awareness_namespace: z.string().nullable(),
    workspace_dir: z.string().nullable(),
    budget_limit: z.number().nullable(),
    monthly_spend: z.number(),
    current_task: z.string(),
    last_sample_error: z.string(),
    runtime_state: z.string(),
    provision_timeout_ms: z.int().optional(),
  })
  .meta({ id: "Workspace" });

/** Why a workspace is what it is, and runs what it runs: `GET /workspaces/:id/why`. */
export const workspaceWhyView = ownWorkspaceView
  .pick({
    id: true,
    name: true,
    runtime: true,
    status: true,
    tier: true,
    tier_applied: true,
    image: true,
    runtime_image_digest: true,
    image_revision: true,
    image_tree: true,
    host_id: true,
    admission: true,
    why: true,
  })
  .extend({
    image_id: z.string().nullable(),
    provenance: provenanceView
      .nullable()
      .describe("Null for an image that the fleet did not build."),
  })
  .meta({ id: "WorkspaceWhy" });
export type WorkspaceWhyView = z.infer<typeof workspaceWhyView>;
export type WhyView = z.infer<typeof whyView>;
export type OwnWorkspaceView = z.infer<typeof ownWorkspaceView>;
export type PublicWorkspaceView = z.infer<typeof publicWorkspaceView>;
export type WorkspaceView = z.infer<typeof workspaceView>;
