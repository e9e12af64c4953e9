import { and, eq, isNull, ne, or, type SQL } from "drizzle-orm";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { requireCallingWorkspace } from "../access/require-agent.js";
import { errorBody } from "../api/error-body.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import { mayReach } from "../registry/reach.js";
import { WAKING_SECONDS, wakeWorkspace } from "../registry/wake-workspace.js";
import type { ServerContext } from "../server-context.js";
import { WORKSPACE_STATUSES } from "../state/workspace-status.js";
import { workspaces } from "../store/schema.js";
import { findWorkspaceRow, type WorkspaceRow } from "../store/workspaces.js";
import { workspaceNotFound } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";
import { EXTERNAL_RUNTIME } from "../workspaces/subtree.js";

const tags = ["registry"];
const params = z.object({ id: z.uuid() });
const MOST_PEERS = 500;

const notReadyBody = errorBody.extend({
  status: z.enum(WORKSPACE_STATUSES).optional(),
  waking: z.boolean().optional().describe("It was hibernated and is being started."),
  retry_after: z.int().optional().describe("Seconds; also in the header Retry-After."),
});

const peerView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    role: z.string(),
    status: z.enum(WORKSPACE_STATUSES),
    url: z.string().nullable(),
    agent_card: z.unknown(),
    parent_id: z.uuid().nullable(),
    active_tasks: z.int(),
  })
  .meta({ id: "Peer" });

/** How agents find each other. */
export function registerDiscovery(app: App, context: ServerContext): void {
  const { db } = context.store;

  const findPresent = async (id: string): Promise<WorkspaceRow> => {
    const row = await findWorkspaceRow(db, id);
    if (row === undefined || row.status === "removed") throw workspaceNotFound(id);
    return row;
  };

  /** The row of the workspace that asks; undefined for the administrator. */
  const requireCaller = async (request: FastifyRequest): Promise<WorkspaceRow | undefined> => {
    const id = await requireCallingWorkspace(context, request);
    return id === undefined ? undefined : findPresent(id);
  };

  app.get(
    "/registry/discover/:id",
    {
      config: { access: "registry" },
      schema: {
        tags,
        summary: "Where an agent is",
        description: "A hibernated workspace is woken by this; ask again after Retry-After.",
        params,
        response: {
          200: z.object({ id: z.uuid(), url: z.string(), name: z.string() }),
          404: errorBody,
          503: notReadyBody,
        },
      },
    },
    async (request, reply) => {
      const caller = await requireCaller(request);
      const target = await findPresent(request.params.id);
      if (caller !== undefined && !(await mayReach(db, caller, target))) throw outOfReach(target);
      const url = isAtRest(target) ? null : urlFor(caller, target);
      if (url !== null) return { id: target.id, url, name: target.name };
      if (target.status === "hibernated") {
        await wakeWorkspace(context, target.id, requesterOf(request));
      }
      const isWaking = target.status === "hibernated";
      const isComing = isWaking || target.status !== "paused";
      if (isComing) reply.header("retry-after", WAKING_SECONDS);
      return reply.code(503).send({
        error: `Workspace ${target.id} has no agent to speak to: it is ${target.status}.`,
        code: "ERR_AGENT_NOT_READY",
        hint: isComing ? "Ask again in a moment." : "Resume it first.",
        status: target.status,
        ...(isWaking ? { waking: true } : {}),
        ...(isComing ? { retry_after: WAKING_SECONDS } : {}),
      });
    },
  );

  app.get(
    "/registry/:id/peers",
    {
      config: { access: "registry" },
      schema: {
        tags,
        summary: "Agents next to one: its parent, its children, and those with the same parent",
        description: `At most ${MOST_PEERS}, oldest first.`,
        params,
        response: { 200: z.array(peerView), 404: errorBody },
      },
    },
    async (request) => {
      const caller = await requireCaller(request);
      const row = await findPresent(request.params.id);
      if (caller !== undefined && caller.id !== row.id) {
        throw new ServerError("ERR_FORBIDDEN", "A workspace may ask for its own peers only.", {
          hint: `GET /registry/${caller.id}/peers lists them.`,
        });
      }
      const peers = await db
        .select()
        .from(workspaces)
        .where(and(isNextTo(row), ne(workspaces.id, row.id), ne(workspaces.status, "removed")))
        .orderBy(workspaces.createdAt, workspaces.id)
        .limit(MOST_PEERS);
      return peers.map((peer) => ({
        id: peer.id,
        name: peer.name,
        role: peer.role,
        status: peer.status,
        url: urlFor(row, peer),
        agent_card: peer.agentCard,
        parent_id: peer.parentId,
        active_tasks: peer.activeTasks,
      }));
    },
  );

  app.post(
    "/registry/check-access",
    {
      config: { access: "registry" },
      schema: {
        tags,
        summary: "Whether one agent may speak to another",
        body: z.object({
          caller_id: z.uuid().optional().describe("Default: the workspace that asks."),
          target_id: z.uuid(),
        }),
        response: { 200: z.object({ allowed: z.boolean() }), 404: errorBody },
      },
    },
    async (request) => {
      const asking = await requireCaller(request);
      const { caller_id: callerId = asking?.id, target_id: targetId } = request.body;
      if (callerId === undefined) {
        throw new ServerError("ERR_REQUEST_INVALID", "The request names no caller.", {
          hint: "Send caller_id, or the header X-Workspace-ID.",
        });
      }
      if (asking !== undefined && asking.id !== callerId.toLowerCase()) {
        throw new ServerError("ERR_FORBIDDEN", "A workspace may ask for itself only.", {
          hint: "Leave caller_id out.",
        });
      }
      const [caller, target] = [
        asking ?? (await findPresent(callerId)),
        await findWorkspaceRow(db, targetId),
      ];
      const isThere = target !== undefined && target.status !== "removed";
      return { allowed: isThere && (await mayReach(db, caller, target)) };
    },
  );
}

/** Its container is stopped, about to be, or not there yet: a stored URL leads nowhere. */
function isAtRest({ status }: WorkspaceRow): boolean {
  return (
    status === "provisioning" ||
    status === "paused" ||
    status === "hibernating" ||
    status === "hibernated"
  );
}

/** Agents in our containers reach each other on their network, all others from outside. */
function urlFor(caller: WorkspaceRow | undefined, target: WorkspaceRow): string | null {
  const isInside = caller !== undefined && caller.runtime !== EXTERNAL_RUNTIME;
  const url = (isInside ? target.internalUrl : null) ?? target.url;
  return url === "" ? null : url;
}

function isNextTo({ id, parentId }: WorkspaceRow): SQL | undefined {
  return parentId === null
    ? or(eq(workspaces.parentId, id), isNull(workspaces.parentId))
    : or(
        eq(workspaces.parentId, id),
        eq(workspaces.id, parentId),
        eq(workspaces.parentId, parentId),
      );
}

function outOfReach(target: WorkspaceRow): ServerError {
  return new ServerError("ERR_FORBIDDEN", `Workspace ${target.id} is out of the caller's reach.`, {
    hint: "Agents speak to those with the same parent, and to those above and below them.",
  });
}
