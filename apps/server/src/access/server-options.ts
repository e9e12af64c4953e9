import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { randomUUID } from "node:crypto";
import { STATUS_CODES, type IncomingMessage, type Server, type ServerOptions } from "node:http";
import type { Socket } from "node:net";
import type { ErrorBody } from "../api/error-body.js";

/** Longest body of a request, unless its route says less. */
export const BODY_LIMIT_BYTES = 1024 * 1024;
/** Longest path with its query. */
export const MOST_URL_BYTES = 4096;
/** Request line and headers together. */
const MOST_HEADER_BYTES = 16 * 1024;
const MOST_HEADERS = 100;
const MOST_CONNECTIONS = 10_000;

const HEADERS_WITHIN_MS = 15_000;
const REQUEST_WITHIN_MS = 30_000;
/** Longer than what proxies keep, so that they do not use a connection we just closed. */
const KEEP_ALIVE_MS = 75_000;
/** A connection that moves nothing is dropped; streams send a sign of life more often. */
const SILENT_CONNECTION_MS = 120_000;

/** An id that tools make; anything else might be a secret, and ids are logged. */
const REQUEST_ID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/i;

interface FastifySettings {
  readonly logger: FastifyBaseLogger;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: readonly string[];
  readonly onFrameworkError: (
    error: FastifyError,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => void;
}

/** What the HTTP server takes from a connection before any route is asked. */
export function serverOptions({ logger, trustProxy, onFrameworkError }: FastifySettings) {
  return {
    loggerInstance: logger,
    // One line a request, written when it is over.
    logController: new fastify.LogController({
      disableRequestLogging: true,
      requestIdLogLabel: "requestId",
    }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    trustProxy: trustProxy.length === 0 ? false : [...trustProxy],
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_WITHIN_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: SILENT_CONNECTION_MS,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 256 },
    onProtoPoisoning: "remove",
    onConstructorPoisoning: "remove",
    http: {
      maxHeaderSize: MOST_HEADER_BYTES,
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: 5000,
    } satisfies ServerOptions,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: onFrameworkError,
  } as const;
}

/** Limits that only the socket server knows. */
export function limitConnections(server: Server): void {
  server.maxConnections = MOST_CONNECTIONS;
  server.maxHeadersCount = MOST_HEADERS;
}

function requestIdOf(request: IncomingMessage): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
}

/** Bytes that are no HTTP request never become one: the answer is written to the socket. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, text] = BROKEN_REQUESTS[error.code ?? ""] ?? [400, "This is not an HTTP request."];
  const body = JSON.stringify({
    error: text,
    code: status === 431 ? "ERR_REQUEST_TOO_LARGE" : "ERR_REQUEST_INVALID",
  } satisfies ErrorBody);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const BROKEN_REQUESTS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, "The headers of the request are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request took too long to arrive."],
};
