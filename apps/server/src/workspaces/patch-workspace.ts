import { unsaid } from "../api/stored-text.js";
import type { PatchWorkspaceBody } from "../api/workspace-body.js";
import type { Caller } from "../access/caller.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { patchWorkspace, type WorkspacePatch, type WorkspaceRow } from "../store/workspaces.js";
import { limitTier } from "./limit-tier.js";
import { lockPresentWorkspace } from "./lock-workspace.js";
import { checkParent } from "./place-in-tree.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";
import { checkWorkspaceDirectory } from "./workspace-directory.js";

/** What decides what an agent may do and see: not for the agent itself to change. */
const ADMIN_FIELDS = ["tier", "parent_id", "runtime", "workspace_dir", "workspace_access"] as const;
/** What a container has from its start on. */
const START_FIELDS = ["tier", "runtime", "workspace_dir", "workspace_access"] as const;

/**
 * Changes what was asked for of a workspace; what its container has changes with its next restart.
 *
 * @returns whether such a restart is needed.
 * @throws ServerError `ERR_NOT_FOUND`, `ERR_FORBIDDEN`, `ERR_TIER_NOT_ALLOWED`,
 *   `ERR_REQUEST_INVALID`; RegistryModeError and HostConfigError for a runtime or directory that
 *   cannot be.
 */
export async function changeWorkspace(
  context: ServerContext,
  id: string,
  body: PatchWorkspaceBody,
  caller: Caller,
  requester: Requester,
): Promise<{ readonly needsRestart: boolean }> {
  const forbidden = ADMIN_FIELDS.filter((field) => body[field] !== undefined);
  if (caller.kind !== "admin" && forbidden.length > 0) {
    throw new ServerError(
      "ERR_FORBIDDEN",
      `Only the administrator changes ${forbidden.join(", ")}.`,
      {
        hint: "Leave these out, or use the token of the administrator.",
        details: { fields: forbidden },
      },
    );
  }
  if (body.runtime !== undefined && body.runtime !== EXTERNAL_RUNTIME) {
    context.runtimes.require(body.runtime);
  }
  if (body.tier !== undefined) {
    await limitTier(context, body.tier, { workspaceId: id, name: body.name, requester });
  }
  return context.store.db.transaction(async (tx) => {
    const row = await lockPresentWorkspace(tx, id);
    refuseMove(row, body.runtime);
    if (body.parent_id) await checkParent(tx, body.parent_id, id);
    const patch = toPatch(body, row, context.config.workspaceDirectory);
    const changed = (Object.keys(patch) as (keyof WorkspacePatch)[]).filter(
      (column) => patch[column] !== row[column],
    );
    if (changed.length === 0) return { needsRestart: false };
    if ((await patchWorkspace(tx, id, patch)) === undefined) {
      throw new Error("a locked row was removed");
    }
    const fields = Object.keys(body).filter((field) => field !== "budget_limit");
    await recordEvents(tx, [
      {
        type: "WORKSPACE_UPDATED",
        workspaceId: id,
        ...requester,
        payload: { fields, ...(body.tier === undefined ? {} : { tier: body.tier }) },
      },
    ]);
    const needsRestart =
      row.runtime !== EXTERNAL_RUNTIME &&
      START_FIELDS.some((field) => changed.includes(COLUMN_OF[field]));
    return { needsRestart };
  });
}

const COLUMN_OF = {
  tier: "tier",
  runtime: "runtime",
  workspace_dir: "workspaceDir",
  workspace_access: "workspaceAccess",
} as const;

function toPatch(
  body: PatchWorkspaceBody,
  row: WorkspaceRow,
  fallbackDirectory: string | undefined,
): WorkspacePatch {
  const patch: WorkspacePatch = {};
  if (body.name !== undefined) patch.name = body.name;
  if (body.role !== undefined) patch.role = body.role;
  if (body.tier !== undefined) patch.tier = body.tier;
  if (body.parent_id !== undefined) patch.parentId = body.parent_id;
  if (body.collapsed !== undefined) patch.collapsed = body.collapsed;
  if (body.runtime !== undefined) patch.runtime = body.runtime;
  // It was of another runtime: no restart may come back to it.
  if (body.runtime !== undefined && body.runtime !== row.runtime) patch.imageId = null;
  if (body.x !== undefined) patch.canvasX = body.x;
  if (body.y !== undefined) patch.canvasY = body.y;
  if (body.hibernation_idle_minutes !== undefined) {
    patch.hibernationIdleMinutes = body.hibernation_idle_minutes;
  }
  if (body.max_concurrent_tasks !== undefined) {
    patch.maxConcurrentTasks = Math.max(1, body.max_concurrent_tasks);
  }
  if (body.workspace_dir === undefined && body.workspace_access === undefined) return patch;
  const directory =
    body.workspace_dir === undefined ? (row.workspaceDir ?? undefined) : unsaid(body.workspace_dir);
  const access = body.workspace_access ?? row.workspaceAccess;
  patch.workspaceDir = checkWorkspaceDirectory(directory, access, fallbackDirectory) ?? null;
  patch.workspaceAccess = access;
  return patch;
}

/** A container does not become an agent that runs elsewhere, nor the other way round. */
function refuseMove(row: WorkspaceRow, runtime: string | undefined): void {
  if (runtime === undefined) return;
  if ((row.runtime === EXTERNAL_RUNTIME) === (runtime === EXTERNAL_RUNTIME)) return;
  throw new ServerError(
    "ERR_REQUEST_INVALID",
    `A workspace of runtime ${row.runtime} cannot become ${runtime}.`,
    { hint: "Create another workspace." },
  );
}
