import type { FastifyReply, FastifyRequest } from "fastify";
import { Agent, request as send, type Dispatcher } from "undici";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import { queryFlag, queryInteger } from "../api/query.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { Host } from "../host/host.js";
import type { ServerContext } from "../server-context.js";
import { listServerInstances } from "../store/server-instances.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import {
  entriesAfter,
  formatLogPlace,
  LOG_DISORDER_MS,
  parseLogPlace,
  readLogEntries,
  type LogEntry,
} from "../streams/log-entries.js";
import {
  formatSseEvent,
  prefersEventStream,
  SSE_CONTENT_TYPE,
  SSE_HEARTBEAT,
  SSE_OPENING,
} from "../streams/sse.js";

/** On a request that one server sends another, which then does not send it on. */
const FORWARDED_HEADER = "x-molecule-forwarded";
/** Longest wait for a peer to begin its answer. */
const PEER_TIMEOUT_MS = 10_000;
const MOST_PEER_ERROR_BYTES = 64 * 1024;

const logPlace = z
  .string()
  .max(64)
  .transform((text, issue) => {
    const place = text === "" ? undefined : parseLogPlace(text);
    if (text !== "" && place === undefined) issue.addIssue("must be the id of a line of this log");
    return place;
  });

const logQuery = z.strictObject({
  tail: queryInteger(0, 100_000)
    .optional()
    .describe("The last lines only. Default 1000; all when `since` or a resumption is given."),
  since: z
    .string()
    .max(64)
    .transform((text, issue) => {
      const moment = parseMoment(text);
      if (moment === undefined) {
        issue.addIssue("must be a moment (ISO 8601), or seconds since 1970");
      }
      return moment;
    })
    .optional()
    .describe("A moment (ISO 8601), or seconds since 1970."),
  timestamps: queryFlag.default(false).describe("Each line begins with its moment."),
  follow: queryFlag.default(false).describe("Goes on until the process ends."),
  last_event_id: logPlace.optional().describe("Resumes after this line."),
});

const logHeaders = z.object({
  "last-event-id": z.string().max(64).optional().describe("Resumes after this line."),
});

/** What agents print. */
export function registerLogs(app: App, context: ServerContext): void {
  const { store, host: link, redactor } = context;
  const agent = new Agent({
    headersTimeout: PEER_TIMEOUT_MS,
    connect: { timeout: PEER_TIMEOUT_MS },
    bodyTimeout: 0,
  });
  app.addHook("onClose", () => agent.destroy());

  app.get(
    "/workspaces/:id/logs",
    {
      config: { access: "workspace" },
      exposeHeadRoute: false,
      schema: {
        tags: ["workspaces"],
        summary: "Output of the agent",
        description:
          "Plain text, or with `accept: text/event-stream` server-sent events `log` " +
          "({at, stream, line}) and at last `end`. Terminal sequences and known secrets are taken " +
          "out, and a line is cut after 16 KiB. Any server answers, also for a workspace that lives " +
          "on the engine of another.",
        params: z.object({ id: z.uuid() }),
        querystring: logQuery,
        headers: logHeaders,
        response: {
          200: {
            description: "Lines, oldest first.",
            content: {
              "text/plain": { schema: z.string() },
              "text/event-stream": { schema: z.string() },
            },
          },
          400: errorBody,
          401: errorBody,
          403: errorBody,
          404: errorBody,
          409: errorBody,
          429: errorBody,
          503: errorBody,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const row = await findWorkspaceRow(store.db, id);
      if (row === undefined) throw notFound(`There is no workspace ${id}.`);
      if (row.runtime === "external") {
        throw new ServerError("ERR_CONFLICT", `Workspace ${id} runs somewhere else.`, {
          hint: "Read its output where it runs.",
        });
      }
      if (row.hostId === null) throw notFound(`Workspace ${id} was not started yet.`);
      const host = link.host;
      if (host?.id === row.hostId) return answer(request, reply, host);
      if (request.headers[FORWARDED_HEADER] !== undefined) throw unreachable(row.hostId);
      return forward(request, reply, row.hostId);
    },
  );

  type LogRequest = FastifyRequest<{
    Params: { id: string };
    Querystring: z.output<typeof logQuery>;
  }>;

  const answer = async (
    request: LogRequest,
    reply: FastifyReply,
    host: Host,
  ): Promise<FastifyReply> => {
    const { id } = request.params;
    const { query } = request;
    const place = resumedPlace(request) ?? query.last_event_id;
    const found = await host.backend.inspect(id, { signal: AbortSignal.timeout(PEER_TIMEOUT_MS) });
    if (found === undefined) throw notFound(`Workspace ${id} has no container.`);
    const since = place === undefined ? query.since : Date.parse(place.at) - LOG_DISORDER_MS;
    const tail = query.tail ?? (since === undefined ? 1000 : undefined);
    const entries = (signal: AbortSignal): AsyncIterable<LogEntry> => {
      const output = host.backend.logs(id, {
        signal,
        follow: query.follow,
        timestamps: true,
        ...(since === undefined ? {} : { since }),
        ...(tail === undefined ? {} : { tail }),
      });
      const all = readLogEntries(output);
      return place === undefined ? all : entriesAfter(all, place);
    };
    if (!prefersEventStream(request.headers.accept)) {
      return app.openStreams.answer(request, reply, {
        contentType: "text/plain; charset=utf-8",
        async *chunks(signal) {
          for await (const { at, line } of entries(signal)) {
            const text = redactor.redact(line);
            yield query.timestamps && at !== "" ? `${at} ${text}\n` : `${text}\n`;
          }
        },
      });
    }
    return app.openStreams.answer(request, reply, {
      contentType: SSE_CONTENT_TYPE,
      heartbeat: SSE_HEARTBEAT,
      async *chunks(signal) {
        yield SSE_OPENING;
        let last = place === undefined ? "" : formatLogPlace(place);
        for await (const entry of entries(signal)) {
          last = formatLogPlace(entry);
          const { at, stream } = entry;
          const data = { at, stream, line: redactor.redact(entry.line) };
          yield formatSseEvent({ id: last, event: "log", data });
        }
        if (!signal.aborted) yield formatSseEvent({ id: last, event: "end", data: {} });
      },
    });
  };

  /** Asks the servers on the workspace's engine, one after the other, and passes the answer on. */
  const forward = async (
    request: LogRequest,
    reply: FastifyReply,
    hostId: string,
  ): Promise<FastifyReply> => {
    const peers = await listServerInstances(store.db);
    const urls = peers
      .filter((peer) => peer.hostId === hostId && peer.id !== context.instanceId)
      .flatMap(({ url }) => (url === null ? [] : [url]));
    const left = new AbortController();
    const leave = (): void => left.abort();
    reply.raw.once("close", leave);
    for (const url of urls) {
      let response: Dispatcher.ResponseData;
      try {
        response = await send(`${url.replace(/\/+$/, "")}${pathAndQuery(request)}`, {
          dispatcher: agent,
          method: "GET",
          headers: forwardedHeaders(request, context.instanceId),
          signal: left.signal,
        });
      } catch (error) {
        request.log.warn({ err: error, peer: url }, "a peer cannot be reached");
        continue;
      }
      if (response.statusCode === 200) {
        const isEvents = prefersEventStream(String(response.headers["content-type"] ?? ""));
        return app.openStreams.answer(request, reply, {
          contentType: isEvents ? SSE_CONTENT_TYPE : "text/plain; charset=utf-8",
          heartbeat: undefined,
          async *chunks(signal) {
            const stop = (): void => void response.body.destroy();
            signal.addEventListener("abort", stop, { once: true });
            for await (const chunk of response.body) yield chunk as Uint8Array;
          },
        });
      }
      const refusal = await readRefusal(response);
      if (refusal !== undefined) return reply.code(response.statusCode).send(refusal);
    }
    throw unreachable(hostId);
  };
}

/** In milliseconds since 1970. */
function parseMoment(text: string): number | undefined {
  if (/^\d{1,10}(\.\d{1,9})?$/.test(text)) return Math.floor(Number(text) * 1000);
  const moment = z.iso.datetime({ offset: true }).safeParse(text);
  return moment.success ? Date.parse(moment.data) : undefined;
}

function resumedPlace(request: FastifyRequest): ReturnType<typeof parseLogPlace> {
  const header = request.headers["last-event-id"];
  // A browser sends what it last got, also from a line that had no moment.
  return typeof header === "string" ? parseLogPlace(header) : undefined;
}

function pathAndQuery(request: FastifyRequest<{ Params: { id: string } }>): string {
  const question = request.url.indexOf("?");
  const query = question === -1 ? "" : request.url.slice(question);
  return `/workspaces/${encodeURIComponent(request.params.id)}/logs${query}`;
}

function forwardedHeaders(request: FastifyRequest, instanceId: string): Record<string, string> {
  const headers: Record<string, string> = {
    [FORWARDED_HEADER]: instanceId,
    "x-request-id": request.id,
  };
  for (const name of ["authorization", "accept", "last-event-id"] as const) {
    const value = request.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  return headers;
}

/** The peer's own error when it is one that this route has; undefined: try the next. */
async function readRefusal(
  response: Dispatcher.ResponseData,
): Promise<z.infer<typeof errorBody> | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > MOST_PEER_ERROR_BYTES) return undefined;
  }
  if (![400, 404, 409, 429].includes(response.statusCode)) return undefined;
  try {
    return errorBody.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  } catch {
    return undefined;
  }
}

function notFound(message: string): ServerError {
  return new ServerError("ERR_NOT_FOUND", message, {
    hint: "GET /workspaces/:id/operations tells what became of it, with the last output of a failure.",
  });
}

function unreachable(hostId: string): ServerError {
  return new ServerError(
    "ERR_HOST_UNREACHABLE",
    "No server on the engine of this workspace answers.",
    {
      hint: "Start a server on that machine.",
      retryable: true,
      details: { host_id: hostId },
    },
  );
}
