import type { JsonValue } from "@molecule-ai/core";
import { eq, sql } from "drizzle-orm";
import { checkAgentUrl } from "../access/agent-url.js";
import type { Caller } from "../access/caller.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { mayHappen } from "../state/workspace-status.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { tokens as tokenTable } from "../store/schema.js";
import {
  findWorkspaceRow,
  patchWorkspace,
  transition,
  type WorkspaceRow,
} from "../store/workspaces.js";
import { lockPresentWorkspace, workspaceNotFound } from "../workspaces/lock-workspace.js";
import type { Requester } from "../workspaces/requester.js";
import { EXTERNAL_RUNTIME } from "../workspaces/subtree.js";

export interface Registration {
  readonly id: string;
  readonly url: string;
  readonly agentCard: JsonValue;
}

/**
 * Writes down where an agent is and what it can do, and that it is alive. A URL that the provisioner
 * stored stays: it knows better how the agent is reached than the agent does.
 *
 * @returns the first token of the workspace; undefined when it ever had one.
 * @throws ServerError `ERR_NOT_FOUND`, `ERR_AGENT_URL_REFUSED`, and `ERR_CONFLICT` when the workspace
 *   was put to rest: its agent is not wanted now.
 */
export async function registerAgent(
  context: ServerContext,
  registration: Registration,
  caller: Caller,
  requester: Requester,
): Promise<string | undefined> {
  const { id } = registration;
  const { db } = context.store;
  const found = await findWorkspaceRow(db, id);
  if (found === undefined || found.status === "removed") throw workspaceNotFound(id);
  const url = needsNoCheck(found, registration.url)
    ? undefined
    : await checkAgentUrl(registration.url, {
        isSaas: context.config.isSaas,
        signal: context.shutdown,
      });
  return db.transaction(async (tx) => {
    const row = await lockPresentWorkspace(tx, id);
    if (row.status === "paused" || row.status === "hibernated" || row.status === "hibernating") {
      throw atRest(row);
    }
    const patch = {
      agentCard: registration.agentCard,
      lastHeartbeatAt: sql`clock_timestamp()`,
      ...(url === undefined || hasUrlOfProvisioner(row) ? {} : { url, urlTrusted: false }),
    };
    const isOnline =
      mayHappen("registered", row.status) &&
      !(row.status === "provisioning" && (await isOfEarlierAttempt(tx, row, caller)));
    const written = isOnline
      ? await transition(tx, row.id, "registered", { patch })
      : await patchWorkspace(tx, row.id, patch);
    const issued = await context.tokens.issueFirst(tx, {
      workspaceId: row.id,
      operationId: undefined,
      createdBy: requester.actor,
    });
    const events: NewEvent[] = [];
    if (issued !== undefined) {
      events.push({
        type: "TOKEN_ISSUED",
        workspaceId: row.id,
        ...requester,
        payload: { token_id: issued.id, prefix: issued.prefix },
      });
    }
    if (written?.status === "online" && row.status !== "online") {
      events.push({
        type: "WORKSPACE_ONLINE",
        workspaceId: row.id,
        ...requester,
        payload: { from: row.status },
      });
    }
    await recordEvents(tx, events);
    return issued?.token;
  });
}

/**
 * An agent in one of our containers may call itself by the container's name, which only its network
 * knows. Nobody is sent there: the provisioner stores the URL of its containers.
 */
function needsNoCheck(row: WorkspaceRow, url: string): boolean {
  if (hasUrlOfProvisioner(row)) return true;
  if (row.runtime === EXTERNAL_RUNTIME || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && hostname !== "localhost" && /^[a-z0-9][a-z0-9-]*$/.test(hostname);
}

function hasUrlOfProvisioner({ url, urlTrusted }: WorkspaceRow): boolean {
  return url !== null && (urlTrusted || /^http:\/\/127\.0\.0\.1(?::|\/|$)/.test(url));
}

/** It speaks from the container that the operation under way is about to replace. */
async function isOfEarlierAttempt(
  tx: Database,
  row: WorkspaceRow,
  caller: Caller,
): Promise<boolean> {
  if (caller.kind !== "workspace") return false;
  const [token] = await tx
    .select({ operationId: tokenTable.operationId })
    .from(tokenTable)
    .where(eq(tokenTable.id, caller.tokenId));
  const operationId = token?.operationId ?? null;
  return operationId !== null && operationId !== row.lastOperationId;
}

function atRest({ id, status }: WorkspaceRow): ServerError {
  return new ServerError("ERR_CONFLICT", `Workspace ${id} is ${status}.`, {
    hint: status === "paused" ? `Resume it: POST /workspaces/${id}/resume.` : "Wake it first.",
    details: { status },
  });
}
