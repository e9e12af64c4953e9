import { and, desc, eq, sql } from "drizzle-orm";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { isOwner, requireToken } from "../access/require-owner.js";
import { buildLogLine, buildView, toBuildView, type BuildRow } from "../api/build-view.js";
import { errorBody } from "../api/error-body.js";
import { lastEventIdHeader, queryFlag, queryInteger } from "../api/query.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { builds } from "../store/schema.js";
import { createBuildLogs } from "../streams/build-log.js";
import {
  formatSseEvent,
  prefersEventStream,
  SSE_CONTENT_TYPE,
  SSE_HEARTBEAT,
  SSE_OPENING,
} from "../streams/sse.js";

const idParams = z.object({ id: z.uuid() });
const MOST_SEQUENCE = 2_147_483_647;
const sequence = queryInteger(0, MOST_SEQUENCE);
const failures = { 400: errorBody, 401: errorBody, 403: errorBody, 429: errorBody, 503: errorBody };

const buildList = z
  .object({
    builds: z.array(buildView).describe("Newest first."),
    next: z.uuid().nullable().describe("Give it as `before` for the next page."),
  })
  .meta({ id: "BuildList" });

const buildLogPage = z
  .object({
    build_id: z.uuid(),
    state: buildView.shape.state,
    truncated: z.boolean(),
    lines: z.array(buildLogLine),
    next_after: z.int().nonnegative().describe("Give it as `after` for what follows."),
  })
  .meta({ id: "BuildLogPage" });

/** Builds of images and what they printed. */
export async function registerBuilds(app: App, { store }: ServerContext): Promise<void> {
  const logs = await createBuildLogs({ store });
  app.addHook("preClose", async () => logs.close());

  const find = async (request: FastifyRequest, id: string): Promise<BuildRow> => {
    requireToken(request);
    const row = await logs.find(id);
    if (row !== undefined && isOwner(request, row.workspaceId)) return row;
    throw new ServerError("ERR_NOT_FOUND", `There is no build ${id}.`, {
      hint: "GET /workspaces/:id/builds lists them; old ones are dropped after a while.",
    });
  };

  app.get(
    "/workspaces/:id/builds",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["builds"],
        summary: "Builds that were made for a workspace",
        params: idParams,
        querystring: z.strictObject({
          limit: queryInteger(1, 200).default(50),
          before: z.uuid().optional().describe("`next` of the page before."),
        }),
        response: { 200: buildList, ...failures },
      },
    },
    async ({ params, query }) => {
      const rows = await store.db
        .select()
        .from(builds)
        .where(
          and(
            eq(builds.workspaceId, params.id),
            query.before === undefined
              ? undefined
              : sql`(${builds.startedAt}, ${builds.id}) < (
                  select started_at, id from builds
                  where id = ${query.before} and workspace_id = ${params.id})`,
          ),
        )
        .orderBy(desc(builds.startedAt), desc(builds.id))
        .limit(query.limit + 1);
      const shown = rows.slice(0, query.limit);
      return {
        builds: shown.map(toBuildView),
        next: rows.length > shown.length ? (shown.at(-1)?.id ?? null) : null,
      };
    },
  );

  app.get(
    "/builds/:id",
    {
      // The path names no workspace: the handler looks whose build it is.
      config: { access: "registry" },
      schema: {
        tags: ["builds"],
        summary: "One build",
        params: idParams,
        response: { 200: buildView, 404: errorBody, ...failures },
      },
    },
    async (request) => toBuildView(await find(request, request.params.id)),
  );

  app.get(
    "/builds/:id/logs",
    {
      config: { access: "registry" },
      exposeHeadRoute: false,
      schema: {
        tags: ["builds"],
        summary: "Output of a build: a page, or a stream",
        description:
          "A page of JSON; with `follow=true` or `accept: text/event-stream` server-sent events " +
          "`log` (id is the line's `seq`) and at last `end` with the state of the build.",
        params: idParams,
        querystring: z.strictObject({
          after: sequence.default(0).describe("Only lines with a greater `seq`."),
          limit: queryInteger(1, 1000).default(500).describe("Of a page."),
          follow: queryFlag.optional().describe("Goes on until the build is over."),
          last_event_id: sequence.optional().describe("As `after`, for event streams."),
        }),
        headers: lastEventIdHeader,
        response: {
          200: {
            description: "Lines in order.",
            content: {
              "application/json": { schema: buildLogPage },
              "text/event-stream": { schema: z.string() },
            },
          },
          404: errorBody,
          ...failures,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { follow = false, limit, last_event_id: last, after } = request.query;
      const build = await find(request, id);
      const header = request.headers["last-event-id"];
      const resumed = typeof header === "string" && header !== "" ? Number(header) : undefined;
      const from = Math.min(resumed ?? last ?? after, MOST_SEQUENCE);
      if (!follow && !prefersEventStream(request.headers.accept)) {
        const lines = await logs.read(id, from, limit);
        return {
          build_id: id,
          state: build.state,
          truncated: build.truncated,
          lines,
          next_after: lines.at(-1)?.seq ?? from,
        };
      }
      return app.openStreams.answer(request, reply, {
        contentType: SSE_CONTENT_TYPE,
        heartbeat: SSE_HEARTBEAT,
        async *chunks(signal) {
          yield SSE_OPENING;
          let seen = from;
          for await (const lines of logs.follow(id, { after: from, wait: follow, signal })) {
            seen = lines.at(-1)?.seq ?? seen;
            yield lines
              .map((line) => formatSseEvent({ id: line.seq, event: "log", data: line }))
              .join("");
          }
          if (signal.aborted) return;
          const state = (await logs.find(id))?.state ?? build.state;
          yield formatSseEvent({ id: seen, event: "end", data: { state } });
        },
      });
    },
  );
}
