import { and, desc, eq, sql } from "drizzle-orm";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { actorOf } from "../access/caller.js";
import { isOwner, requireToken } from "../access/require-owner.js";
import { errorBody } from "../api/error-body.js";
import { operationView, type OperationView } from "../api/operation-view.js";
import { queryInteger } from "../api/query.js";
import { toOperationView } from "../api/to-operation-view.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { OPERATION_KINDS, OPERATION_STATES } from "../state/operation-state.js";
import { operations } from "../store/schema.js";

const operationParams = z.object({ id: z.uuid() });
const failures = { 400: errorBody, 401: errorBody, 403: errorBody, 429: errorBody, 503: errorBody };

const operationList = z
  .object({
    operations: z.array(operationView).describe("Newest first."),
    next: z.uuid().nullable().describe("Give it as `before` for the next page."),
  })
  .meta({ id: "OperationList" });

/** What is, was and will be done to workspaces. */
export function registerOperations(app: App, { store, operations: queue }: ServerContext): void {
  const view = async (row: OperationRow): Promise<OperationView> => {
    const isQueued = row.state === "queued" || row.state === "waiting";
    return toOperationView(row, isQueued ? (await queue.position(row.id)).position : undefined);
  };

  const find = async (request: FastifyRequest, id: string): Promise<OperationRow> => {
    requireToken(request);
    const row = await queue.get(id);
    if (row === undefined || !isOwner(request, row.workspaceId)) throw notFound(id);
    return row;
  };

  app.get(
    "/workspaces/:id/operations",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["operations"],
        summary: "Operations of a workspace, also of one that is gone",
        params: operationParams,
        querystring: z.strictObject({
          limit: queryInteger(1, 200).default(50),
          before: z.uuid().optional().describe("`next` of the page before."),
          state: z.enum(OPERATION_STATES).optional(),
          kind: z.enum(OPERATION_KINDS).optional(),
        }),
        response: { 200: operationList, ...failures },
      },
    },
    async ({ params, query }) => {
      const rows = await store.db
        .select()
        .from(operations)
        .where(
          and(
            eq(operations.workspaceId, params.id),
            query.state === undefined ? undefined : eq(operations.state, query.state),
            query.kind === undefined ? undefined : eq(operations.kind, query.kind),
            query.before === undefined
              ? undefined
              : sql`(${operations.createdAt}, ${operations.id}) < (
                  select created_at, id from operations
                  where id = ${query.before} and workspace_id = ${params.id})`,
          ),
        )
        .orderBy(desc(operations.createdAt), desc(operations.id))
        .limit(query.limit + 1);
      const shown = rows.slice(0, query.limit);
      return {
        operations: await Promise.all(shown.map(view)),
        next: rows.length > shown.length ? (shown.at(-1)?.id ?? null) : null,
      };
    },
  );

  app.get(
    "/operations/:id",
    {
      // The path names no workspace: the handler looks whose operation it is.
      config: { access: "registry" },
      schema: {
        tags: ["operations"],
        summary: "One operation",
        params: operationParams,
        response: { 200: operationView, 404: errorBody, ...failures },
      },
    },
    async (request) => view(await find(request, request.params.id)),
  );

  app.post(
    "/operations/:id/cancel",
    {
      config: { access: "registry" },
      schema: {
        tags: ["operations"],
        summary: "Cancels an operation: at once, or at its next step when it is running",
        params: operationParams,
        response: { 200: operationView, 404: errorBody, 409: errorBody, ...failures },
      },
    },
    async (request) => {
      const { caller, params, id: requestId } = request;
      await find(request, params.id);
      const row = await queue.cancel(params.id, { actor: actorOf(caller), requestId });
      if (row === undefined) throw notFound(params.id);
      if (row.state !== "cancelled" && row.cancelRequestedAt === null) {
        throw new ServerError(
          "ERR_CONFLICT",
          row.finishedAt === null
            ? `Operation ${row.id} is a ${row.kind}, which is not cancelled.`
            : `Operation ${row.id} has already ${row.state}.`,
          {
            hint:
              row.finishedAt === null && row.kind === "pause"
                ? `Resume the workspace: POST /workspaces/${row.workspaceId}/resume.`
                : `GET /operations/${row.id} tells how it stands.`,
          },
        );
      }
      return view(row);
    },
  );
}

function notFound(id: string): ServerError {
  return new ServerError("ERR_NOT_FOUND", `There is no operation ${id}.`, {
    hint: "GET /workspaces/:id/operations lists them; old ones are dropped after a while.",
  });
}
