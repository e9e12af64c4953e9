import { and, desc, eq, gt, lt } from "drizzle-orm";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import { eventView, toEventView, type EventView } from "../api/event-view.js";
import { lastEventIdHeader, queryInteger } from "../api/query.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { EVENT_TYPES } from "../store/events.js";
import { events } from "../store/schema.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import { formatSseEvent, SSE_CONTENT_TYPE, SSE_HEARTBEAT, SSE_OPENING } from "../streams/sse.js";

const eventId = queryInteger(0, Number.MAX_SAFE_INTEGER);
const workspaceParams = z.object({ id: z.uuid() });

const listQuery = z.strictObject({
  limit: queryInteger(1, 500).default(100),
  before: eventId.optional().describe("Only events with a smaller id: the next page."),
  after: eventId.optional().describe("Only events with a greater id: what is new."),
  type: z.enum(EVENT_TYPES).optional(),
  workspace_id: z.uuid().optional(),
  operation_id: z.uuid().optional(),
});

const streamQuery = z.strictObject({
  last_event_id: eventId
    .optional()
    .describe("Resumes after this event; 0 begins with the oldest. Absent: only what comes."),
});

const eventList = z.array(eventView).describe("Newest first.");
const eventStream = {
  description: "Server-sent events: `id`, `event` (its type) and `data` (an Event as JSON).",
  content: { "text/event-stream": { schema: z.string() } },
};
const failures = { 400: errorBody, 401: errorBody, 403: errorBody, 429: errorBody, 503: errorBody };

/** `/events`, also of one workspace, as lists and as streams. */
export function registerEvents(app: App, { store }: ServerContext): void {
  /** Each event is put into words once, however many listen. */
  const frames = new WeakMap<EventView, string>();
  const frameOf = (event: EventView): string => {
    let frame = frames.get(event);
    if (frame === undefined) {
      frame = formatSseEvent({ id: event.id, event: event.event_type, data: event });
      frames.set(event, frame);
    }
    return frame;
  };

  const list = async (query: z.output<typeof listQuery>): Promise<EventView[]> => {
    const rows = await store.db
      .select()
      .from(events)
      .where(
        and(
          query.before === undefined ? undefined : lt(events.id, query.before),
          query.after === undefined ? undefined : gt(events.id, query.after),
          query.type === undefined ? undefined : eq(events.eventType, query.type),
          query.workspace_id === undefined ? undefined : eq(events.workspaceId, query.workspace_id),
          query.operation_id === undefined ? undefined : eq(events.operationId, query.operation_id),
        ),
      )
      .orderBy(desc(events.id))
      .limit(query.limit);
    return rows.map(toEventView);
  };

  const stream = (
    request: FastifyRequest,
    reply: FastifyReply,
    from: { readonly query: number | undefined; readonly workspaceId?: string },
  ): FastifyReply => {
    const header = request.headers["last-event-id"];
    const afterId = typeof header === "string" && header !== "" ? Number(header) : from.query;
    return app.openStreams.answer(request, reply, {
      contentType: SSE_CONTENT_TYPE,
      heartbeat: SSE_HEARTBEAT,
      async *chunks(signal) {
        const { workspaceId } = from;
        const happened = await app.eventBroker.subscribe({ afterId, workspaceId, signal });
        // Only now, so that a client that has read it misses nothing that is done from then on.
        yield SSE_OPENING;
        for await (const event of happened) yield frameOf(event);
      },
    });
  };

  app.get(
    "/events",
    {
      config: { access: "admin" },
      schema: {
        tags: ["events"],
        summary: "What happened last",
        querystring: listQuery,
        response: { 200: eventList, ...failures },
      },
    },
    ({ query }) => list(query),
  );

  for (const [url, access] of [
    ["/events/:id", "admin"],
    ["/workspaces/:id/events", "workspace"],
  ] as const) {
    app.get(
      url,
      {
        config: { access },
        schema: {
          tags: ["events"],
          summary: "What happened last to a workspace, also to one that is gone",
          params: workspaceParams,
          querystring: listQuery.omit({ workspace_id: true }),
          response: { 200: eventList, ...failures },
        },
      },
      ({ params, query }) => list({ ...query, workspace_id: params.id }),
    );
  }

  app.get(
    "/events/stream",
    {
      config: { access: "admin" },
      exposeHeadRoute: false,
      schema: {
        tags: ["events"],
        summary: "Everything that happens, as it happens",
        querystring: streamQuery,
        headers: lastEventIdHeader,
        response: { 200: eventStream, ...failures },
      },
    },
    async (request, reply) => stream(request, reply, { query: request.query.last_event_id }),
  );

  app.get(
    "/workspaces/:id/events/stream",
    {
      config: { access: "workspace" },
      exposeHeadRoute: false,
      schema: {
        tags: ["events"],
        summary: "What happens to a workspace, as it happens",
        params: workspaceParams,
        querystring: streamQuery,
        headers: lastEventIdHeader,
        response: { 200: eventStream, 404: errorBody, ...failures },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if ((await findWorkspaceRow(store.db, id)) === undefined) {
        throw new ServerError("ERR_NOT_FOUND", `There is no workspace ${id}.`, {
          hint: "GET /workspaces lists them.",
        });
      }
      return stream(request, reply, { query: request.query.last_event_id, workspaceId: id });
    },
  );
}
