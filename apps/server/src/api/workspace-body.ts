import { storedJson } from "./stored-json.js";
import { z } from "zod";
import { plainText, storedText } from "./stored-text.js";

const workspaceName = plainText(255).refine((name) => name.trim() !== "", {
  error: "must not be empty",
});
const tier = z.int().min(1).max(4);
const access = z.enum(["none", "read_only", "read_write"]);
const coordinate = z.number().min(-1e9).max(1e9);
const idleMinutes = z.int().min(0).max(525_600).describe("0 never hibernates it.");
const concurrentTasks = z.int().min(0).max(1000);

/** Body of `POST /workspaces`. */
export const createWorkspaceBody = z
  .strictObject({
    name: workspaceName,
    role: plainText(1000).nullish(),
    template: storedText(100).nullish().describe("Directory below CONFIGS_DIR."),
    tier: tier.nullish().describe("Default 2; at most MOLECULE_MAX_TIER."),
    model: storedText(100).nullish(),
    runtime: storedText(100)
      .nullish()
      .describe("Default: what the template says, else langgraph; `external` for your own agent."),
    external: z.boolean().nullish().describe("The agent runs somewhere else."),
    url: storedText(2048).nullish().describe("Where an external agent listens."),
    workspace_dir: storedText(4096).nullish().describe("Directory of the engine's host."),
    workspace_access: z.union([access, z.literal("")]).nullish(),
    parent_id: z.union([z.uuid().toLowerCase(), z.literal("")]).nullish(),
    budget_limit: z.int().min(0).nullish(),
    secrets: z
      .record(z.string().max(128), z.string().max(128 * 1024))
      .refine((secrets) => Object.keys(secrets).length <= 200, { error: "has more than 200" })
      .nullish(),
    max_concurrent_tasks: concurrentTasks.nullish(),
    hibernation_idle_minutes: idleMinutes.nullish(),
    canvas: z.strictObject({ x: coordinate, y: coordinate }).nullish(),
    initial_memories: z.array(storedJson).max(1000).nullish().describe("Taken, and not used."),
  })
  .meta({ id: "NewWorkspace" });
export type CreateWorkspaceBody = z.infer<typeof createWorkspaceBody>;

/** Body of `PATCH /workspaces/:id`. */
export const patchWorkspaceBody = z
  .strictObject({
    name: workspaceName.optional(),
    role: plainText(1000).optional(),
    tier: tier.optional(),
    parent_id: z.uuid().toLowerCase().nullable().optional().describe("null makes it a root."),
    collapsed: z.boolean().optional(),
    runtime: storedText(100).optional(),
    workspace_dir: storedText(4096).nullable().optional().describe("null clears it."),
    workspace_access: access.optional(),
    x: coordinate.optional(),
    y: coordinate.optional(),
    hibernation_idle_minutes: idleMinutes.optional(),
    max_concurrent_tasks: concurrentTasks.optional(),
    budget_limit: z.unknown().optional().describe("Ignored."),
  })
  .meta({ id: "WorkspaceChanges" });
export type PatchWorkspaceBody = z.infer<typeof patchWorkspaceBody>;

/** Body of `POST /workspaces/:id/restart`; it may be left out. */
export const restartWorkspaceBody = z
  .strictObject({
    template: storedText(100).nullish().describe("Directory below CONFIGS_DIR to configure it by."),
    apply_template: z
      .boolean()
      .nullish()
      .describe("Configures it by the template of its name, or the default one of its runtime."),
    reset: z.boolean().nullish().describe("Forgets the conversation."),
    rebuild_config: z.boolean().nullish().describe("Makes the configuration anew."),
    upgrade: z
      .boolean()
      .nullish()
      .describe("Takes the newest image of its runtime; otherwise it keeps the very image it has."),
  })
  .nullish()
  .meta({ id: "Restart" });

/** Body of `POST /admin/workspaces/:id/bootstrap-failed`. */
export const bootstrapFailedBody = z
  .strictObject({
    error: z.string().max(16_384).nullish(),
    log_tail: z.string().nullish().describe("Only the last 8192 characters are kept."),
  })
  .meta({ id: "BootstrapFailure" });
