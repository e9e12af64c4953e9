import type { JsonValue } from "@molecule-ai/core";
import { errorBody } from "../api/error-body.js";
import { idempotencyHeaders } from "../api/idempotency-header.js";
import { createdAnswer, type CreatedAnswer } from "../api/workspace-answers.js";
import { createWorkspaceBody } from "../api/workspace-body.js";
import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { createWorkspaces, type CreatedWorkspace } from "../workspaces/create-workspace.js";
import { answerOnce, findAnswer, hashRequest } from "../workspaces/idempotency.js";
import { checkNewWorkspace, type NewWorkspace } from "../workspaces/new-workspace.js";
import { requesterOf } from "../workspaces/requester.js";
import { toOperationRefs } from "../workspaces/settle-operations.js";
import { EXTERNAL_RUNTIME } from "../workspaces/subtree.js";
import { createWorkspaceWriter } from "../workspaces/workspace-writer.js";

/** Makes workspaces. */
export function registerWorkspaceCreation(app: App, context: ServerContext): void {
  const { db } = context.store;
  const writer = createWorkspaceWriter(context);
  app.post(
    "/workspaces",
    {
      config: { access: "admin" },
      schema: {
        tags: ["workspaces"],
        summary: "Create a workspace and start it",
        headers: idempotencyHeaders,
        body: createWorkspaceBody,
        response: { 201: createdAnswer, 422: errorBody },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const requester = requesterOf(request);
      const key = request.headers["idempotency-key"];
      const once =
        key === undefined
          ? undefined
          : { caller: requester.actor, key, hash: hashRequest("POST /workspaces", body) };
      if (once !== undefined) {
        const known = await findAnswer(db, once);
        if (known !== undefined) {
          return reply.code(201).send(known.response as unknown as CreatedAnswer);
        }
      }
      const wanted = await checkNewWorkspace(context, body, requester);
      const platformUrl = `${request.protocol}://${request.host}`;
      const toAnswer = (created: CreatedWorkspace): CreatedAnswer =>
        describeCreated(created, wanted.warnings, platformUrl);
      if (once === undefined && !needsOwnTransaction(wanted)) {
        return reply.code(201).send(toAnswer(await writer.write({ wanted, requester })));
      }
      const create = async (tx: typeof db): Promise<CreatedAnswer> => {
        const [created] = await createWorkspaces(tx, context, [{ wanted, requester }]);
        if (created === undefined) throw new Error("one was wanted and none was made");
        return toAnswer(created);
      };
      const answer = await db.transaction(async (tx) => {
        if (once === undefined) return create(tx);
        const outcome = await answerOnce(tx, once, async () => {
          const first = await create(tx);
          return { answer: first, stored: { statusCode: 201, response: withoutToken(first) } };
        });
        return outcome.kind === "done"
          ? outcome.answer
          : (outcome.response as unknown as CreatedAnswer);
      });
      return reply.code(201).send(answer);
    },
  );
}

/** It takes locks that may be waited for, or is more work than others should wait for. */
function needsOwnTransaction({ parentId, secrets }: NewWorkspace): boolean {
  return parentId !== undefined || Object.keys(secrets).length > 0;
}

function describeCreated(
  { row, operations, token }: CreatedWorkspace,
  warnings: readonly string[],
  platformUrl: string,
): CreatedAnswer {
  return {
    id: row.id,
    status: row.status as CreatedAnswer["status"],
    ...(row.runtime === EXTERNAL_RUNTIME ? { external: true } : {}),
    awareness_namespace: row.awarenessNamespace ?? "",
    workspace_access: row.workspaceAccess as CreatedAnswer["workspace_access"],
    ...(token === undefined
      ? {}
      : {
          connection: {
            workspace_id: row.id,
            platform_url: platformUrl,
            auth_token: token,
            registry_endpoint: `${platformUrl}/registry/register`,
            heartbeat_endpoint: `${platformUrl}/registry/heartbeat`,
          },
        }),
    runtime: row.runtime,
    model: row.model,
    template: row.template,
    tier: row.tier,
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
    operations: toOperationRefs(operations),
  };
}

/** As it may be kept: a token is told once, and stored as its hash only. */
function withoutToken(answer: CreatedAnswer): JsonValue {
  const { connection, ...rest } = answer;
  if (connection === undefined) return rest as unknown as JsonValue;
  const { auth_token: _token, ...kept } = connection;
  return { ...rest, connection: kept } as unknown as JsonValue;
}
