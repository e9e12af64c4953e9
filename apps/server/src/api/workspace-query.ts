import { z } from "zod";
import { WORKSPACE_STATUSES } from "../state/workspace-status.js";
import { queryFlag, queryInteger } from "./query.js";
import { storedText } from "./stored-text.js";

export const workspaceParams = z.object({ id: z.uuid() });

/** Rows of a page when none is said, and the most that can be. */
export const MOST_LISTED = 1000;

export const listWorkspacesQuery = z.object({
  status: z.enum(WORKSPACE_STATUSES).optional().describe("Default: all but removed."),
  runtime: storedText(100).optional(),
  parent_id: z.uuid().optional(),
  q: storedText(255).optional().describe("Part of the name or role, whatever its case."),
  limit: queryInteger(1, MOST_LISTED).optional(),
  cursor: z.string().max(100).optional().describe("X-Next-Cursor of the page before."),
});

export const removeWorkspaceQuery = z.object({
  confirm: queryFlag.optional().describe("Removes its descendants too."),
  purge: queryFlag.optional().describe("Forgets it altogether."),
  keep_volumes: queryFlag.optional().describe("Leaves its volumes on the engine."),
});

export const restartWorkspaceQuery = z.object({ reset: queryFlag.optional() });

export const hibernateWorkspaceQuery = z.object({
  force: queryFlag.optional().describe("Also when tasks are under way; they are cut off."),
});
