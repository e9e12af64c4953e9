import { z } from "zod";
import { actorOf } from "../access/caller.js";
import { requireAgent } from "../access/require-agent.js";
import { errorBody } from "../api/error-body.js";
import { storedJson } from "../api/stored-json.js";
import type { App } from "../app.js";
import { createHeartbeatWriter } from "../registry/heartbeat-writer.js";
import { normalizeHeartbeat } from "../registry/heartbeat.js";
import { registerAgent } from "../registry/register-agent.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { patchWorkspace } from "../store/workspaces.js";
import { workspaceNotFound } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";

const tags = ["registry"];
const CARD_BYTES = 256 * 1024;

const agentUrl = z.string().min(1).max(2048).describe("http or https; see docs/security.md.");
const count = z.number().nullish();
const line = z.string().nullish();

const heartbeatBody = z.object({
  workspace_id: z.uuid(),
  error_rate: count.describe("Share of requests that failed, 0 to 1."),
  sample_error: line,
  active_tasks: count,
  uptime_seconds: count,
  current_task: line,
  monthly_spend: count.describe("0 or nothing: not measured."),
  runtime_state: line.describe("`wedged` for an agent that cannot go on by itself."),
  runtime_metadata: z
    .object({
      capabilities: z
        .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
        .nullish()
        .describe("With `status_mgmt` the agent says by runtime_state alone how it is."),
      idle_timeout_seconds: count,
    })
    .nullish(),
});

/** What agents tell of themselves. */
export function registerRegistry(app: App, context: ServerContext): void {
  const { store, redactor } = context;
  const heartbeats = createHeartbeatWriter({ db: store.db });

  app.post(
    "/registry/register",
    {
      config: { access: "registry" },
      bodyLimit: CARD_BYTES,
      schema: {
        tags,
        summary: "An agent says where it is and what it can do",
        description:
          "The first registration of a workspace that never had a token is answered with one.",
        body: z.object({ id: z.uuid(), url: agentUrl, agent_card: storedJson }),
        response: {
          200: z.object({ status: z.literal("registered"), auth_token: z.string().optional() }),
          404: errorBody,
          409: errorBody,
        },
      },
    },
    async (request) => {
      const { id, url, agent_card: agentCard } = request.body;
      await requireAgent(context, request, id);
      const token = await registerAgent(
        context,
        { id, url, agentCard },
        request.caller,
        requesterOf(request),
      );
      return {
        status: "registered" as const,
        ...(token === undefined ? {} : { auth_token: token }),
      };
    },
  );

  app.post(
    "/registry/heartbeat",
    {
      config: { access: "registry" },
      bodyLimit: 64 * 1024,
      schema: {
        tags,
        summary: "An agent is alive, and how it is",
        body: heartbeatBody,
        response: { 200: z.object({ status: z.literal("ok") }), 404: errorBody },
      },
    },
    async (request) => {
      const { workspace_id: id, ...reported } = request.body;
      await requireAgent(context, request, id);
      const { caller } = request;
      const isThere = await heartbeats.write({
        workspaceId: id.toLowerCase(),
        beat: normalizeHeartbeat(reported, (text) => redactor.redact(text)),
        tokenId: caller.kind === "workspace" ? caller.tokenId : undefined,
        actor: actorOf(caller),
        requestId: request.id,
      });
      if (!isThere) throw workspaceNotFound(id);
      return { status: "ok" as const };
    },
  );

  app.post(
    "/registry/update-card",
    {
      config: { access: "registry" },
      bodyLimit: CARD_BYTES,
      schema: {
        tags,
        summary: "An agent can do something else now",
        body: z.object({ workspace_id: z.uuid(), agent_card: storedJson }),
        response: { 200: z.object({ status: z.literal("updated") }), 404: errorBody },
      },
    },
    async (request) => {
      const { workspace_id: id, agent_card: agentCard } = request.body;
      await requireAgent(context, request, id);
      await store.db.transaction(async (tx) => {
        const row = await patchWorkspace(tx, id, { agentCard });
        if (row === undefined) throw workspaceNotFound(id);
        await recordEvents(tx, [
          { type: "AGENT_CARD_UPDATED", workspaceId: row.id, ...requesterOf(request) },
        ]);
      });
      return { status: "updated" as const };
    },
  );
}
