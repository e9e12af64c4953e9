import type { InferSelectModel } from "drizzle-orm";
import { z } from "zod";
import type { buildLogs, builds } from "../store/schema.js";

export type BuildRow = InferSelectModel<typeof builds>;

const moment = z.iso.datetime({ offset: true });

/** One build or pull of an image for a workspace, as clients see it. */
export const buildView = z
  .object({
    id: z.uuid(),
    operation_id: z.uuid(),
    workspace_id: z.uuid(),
    runtime: z.string(),
    state: z.enum(["running", "succeeded", "failed", "cancelled"]),
    image: z.string().nullable(),
    revision: z.string().nullable().describe("Commit of the template."),
    log_lines: z.int().nonnegative(),
    log_bytes: z.int().nonnegative(),
    truncated: z.boolean().describe("Later lines were dropped, because there is a limit."),
    started_at: moment,
    finished_at: moment.nullable(),
  })
  .meta({ id: "Build" });
export type BuildView = z.infer<typeof buildView>;

export const buildLogLine = z
  .object({
    seq: z.int().positive(),
    at: moment,
    stream: z.enum(["stdout", "stderr", "step"]),
    line: z.string(),
  })
  .meta({ id: "BuildLogLine" });
export type BuildLogLine = z.infer<typeof buildLogLine>;

export function toBuildView(row: BuildRow): BuildView {
  return {
    id: row.id,
    operation_id: row.operationId,
    workspace_id: row.workspaceId,
    runtime: row.runtime,
    state: row.state,
    image: row.imageRef,
    revision: row.revision,
    log_lines: row.logLines,
    log_bytes: row.logBytes,
    truncated: row.truncated,
    started_at: row.startedAt.toISOString(),
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}

export function toBuildLogLine(row: InferSelectModel<typeof buildLogs>): BuildLogLine {
  return { seq: row.seq, at: row.at.toISOString(), stream: row.stream, line: row.line };
}
