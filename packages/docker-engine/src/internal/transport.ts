import type { Redactor } from "@molecule-ai/core";
import { setMaxListeners } from "node:events";
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { finished, type Duplex, type Readable } from "node:stream";
import type { z } from "zod";
import type { EngineEndpoint } from "../engine.js";
import {
  connectionError,
  EngineError,
  protocolError,
  statusError,
  truncatedError,
} from "../errors.js";
import { AnswerBody } from "./answer-body.js";
import { createCallScope, type CallScope } from "./call-scope.js";
import { createModem, type Modem, type ModemTarget } from "./modem.js";
import { boundedText } from "./text.js";

export interface WireRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  /** Without version prefix; built with {@link enginePath}. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is; `application/x-tar` unless a header says otherwise. */
  readonly body?: Readable | Buffer | undefined;
  /** What is asked for, as the start of an error message: `Start container "x"`. */
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence in milliseconds; the transport's default when absent, none for `null`. */
  readonly timeoutMs?: number | null | undefined;
}

export interface UnaryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface StreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Must be read to its end or destroyed. */
  readonly body: Readable;
}

/** HTTP to one engine: statuses, limits, aborts and broken connections become what we promise. */
export interface Transport {
  readonly endpoint: EngineEndpoint;
  /** Whole answer in memory. A status outside `expect` (default 2xx) throws. */
  call(request: WireRequest, expect?: readonly number[]): Promise<UnaryAnswer>;
  /** As `call`, for an answer that must be JSON of that shape. */
  json<S extends z.ZodType>(request: WireRequest, schema: S): Promise<z.infer<S>>;
  /** As `json`, undefined on 404. */
  find<S extends z.ZodType>(request: WireRequest, schema: S): Promise<z.infer<S> | undefined>;
  /** Answer as a stream; the time limit is the longest silence, also inside the body. */
  open(request: WireRequest, expect?: readonly number[]): Promise<StreamAnswer>;
  /** Turns the connection into a raw duplex stream (exec, attach). Destroying it ends the call. */
  upgrade(request: WireRequest): Promise<Duplex>;
  /** Ends all calls with `ERR_ENGINE_CLOSED` and closes all connections. */
  close(): void;
}

export interface TransportOptions {
  readonly endpoint: EngineEndpoint;
  readonly target: ModemTarget;
  readonly agent: Agent;
  /** API version such as `1.41`; the engine's newest when absent. */
  readonly version: string | undefined;
  readonly timeoutMs: number;
  readonly redactor: Redactor;
}

const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;
const LARGEST_ERROR_BYTES = 64 * 1024;

export function createTransport(options: TransportOptions): Transport {
  const { endpoint, agent, redactor } = options;
  const closing = new AbortController();
  // Every call under way listens to it, however many there are.
  setMaxListeners(0, closing.signal);
  const upgraded = new Set<Duplex>();
  let modem: Promise<Modem> | undefined;

  const exchange = async (request: WireRequest, scope: CallScope, upgrade: boolean) => {
    modem ??= createModem(options.target, agent, options.version);
    const carrier = await modem;
    const query = definedOnly(request.query ?? {});
    const attempt = async (): Promise<IncomingMessage | Duplex> => {
      scope.signal.throwIfAborted();
      return carrier.dial({
        path: Object.keys(query).length === 0 ? request.path : `${request.path}?`,
        method: request.method,
        options: { _query: query, _body: request.json ?? {} },
        headers: {
          ...(request.body === undefined ? {} : { "Content-Type": "application/x-tar" }),
          ...request.headers,
        },
        file: request.body,
        hijack: upgrade,
        abortSignal: scope.signal,
      });
    };
    try {
      return await attempt();
    } catch (error) {
      // A kept connection may have been closed by the other side just as we used it.
      if (isLostConnection(error) && (request.method === "GET" || request.method === "HEAD")) {
        return attempt();
      }
      throw error;
    }
  };

  /** Runs `work` with a scope that lives on only if `work` hands it over by not throwing. */
  const withScope = async <T>(
    request: WireRequest,
    work: (scope: CallScope) => Promise<T>,
  ): Promise<T> => {
    const timeoutMs = request.timeoutMs === undefined ? options.timeoutMs : request.timeoutMs;
    const scope = createCallScope({
      subject: request.subject,
      timeoutMs: timeoutMs ?? undefined,
      signal: request.signal,
      closed: closing.signal,
    });
    const source = watchSource(request.body, scope);
    try {
      return await work(scope);
    } catch (error) {
      scope[Symbol.dispose]();
      source.destroy();
      if (scope.signal.aborted) throw scope.signal.reason;
      if (error instanceof EngineError) throw error;
      // A defect of the caller, such as a header that cannot be sent.
      if (error instanceof TypeError) throw error;
      throw connectionError(request.subject, endpoint.address, error);
    }
  };

  const respond = async (request: WireRequest, scope: CallScope): Promise<IncomingMessage> => {
    const message = await exchange(request, scope, false);
    if (!isResponse(message)) throw protocolError(request.subject, "unexpected protocol upgrade");
    scope.onAbort((reason) => message.destroy(reason));
    return message;
  };

  const refuse = async (
    request: WireRequest,
    message: IncomingMessage,
    scope: CallScope,
  ): Promise<never> => {
    const body = await readAll(message, request.subject, LARGEST_ERROR_BYTES, scope);
    // What is left of an upload nobody will read.
    if (!requestOf(message).writableFinished) requestOf(message).destroy();
    const text = boundedText(redactor.redact(errorText(body)));
    throw statusError(request.subject, message.statusCode ?? 0, text);
  };

  const call = (request: WireRequest, expect?: readonly number[]): Promise<UnaryAnswer> =>
    withScope(request, async (scope) => {
      const message = await respond(request, scope);
      const status = message.statusCode ?? 0;
      if (!isExpected(status, expect)) return refuse(request, message, scope);
      const body = await readAll(message, request.subject, LARGEST_ANSWER_BYTES, scope);
      scope[Symbol.dispose]();
      return { status, headers: plainHeaders(message), body };
    });

  const find = async <S extends z.ZodType>(
    request: WireRequest,
    schema: S,
  ): Promise<z.infer<S> | undefined> => {
    const answer = await call(request, [200, 201, 404]);
    return answer.status === 404 ? undefined : decode(request.subject, answer.body, schema);
  };

  return {
    endpoint,
    call,
    find,
    async json(request, schema) {
      return decode(request.subject, (await call(request)).body, schema);
    },
    open: (request, expect) =>
      withScope(request, async (scope) => {
        const message = await respond(request, scope);
        const status = message.statusCode ?? 0;
        if (!isExpected(status, expect)) return refuse(request, message, scope);
        return {
          status,
          headers: plainHeaders(message),
          body: new AnswerBody(message, scope, request.subject),
        };
      }),
    upgrade: (request) =>
      withScope(request, async (scope) => {
        const socket = await exchange(request, scope, true);
        if (isResponse(socket)) {
          scope.onAbort((reason) => socket.destroy(reason));
          if (!isExpected(socket.statusCode ?? 0, undefined)) {
            return refuse(request, socket, scope);
          }
          socket.destroy();
          throw protocolError(request.subject, "the engine did not upgrade the connection");
        }
        scope.unlimit();
        scope.onAbort((reason) => socket.destroy(reason));
        upgraded.add(socket);
        // A connection that breaks before anybody listens must not end the process.
        socket.on("error", () => undefined);
        socket.on("close", () => {
          upgraded.delete(socket);
          scope[Symbol.dispose]();
        });
        return socket;
      }),
    close() {
      if (closing.signal.aborted) return;
      closing.abort(
        new EngineError("ERR_ENGINE_CLOSED", `The client of ${endpoint.address} was closed.`),
      );
      for (const socket of upgraded) socket.destroy();
      agent.destroy();
    },
  };
}

/**
 * Path of an API call from trusted literals and untrusted names, which are encoded. A name that
 * would change the path (empty, `.` or `..` segments) is `ERR_ENGINE_BAD_REQUEST`.
 */
export function enginePath(parts: TemplateStringsArray, ...names: readonly string[]): string {
  return String.raw({ raw: parts }, ...names.map(encodeName));
}

function encodeName(name: string): string {
  const segments = Buffer.from(name).toString().split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    throw new EngineError(
      "ERR_ENGINE_BAD_REQUEST",
      `${JSON.stringify(name.slice(0, 200))} cannot be the name of anything in an engine`,
    );
  }
  // The engine's router knows image names by their slashes and colons.
  return segments.map((part) => encodeURIComponent(part).replaceAll("%3A", ":")).join("/");
}

/** An answer's bytes as JSON of a shape. */
function decode<S extends z.ZodType>(subject: string, body: Buffer, schema: S): z.infer<S> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw protocolError(subject, "the engine's answer is not JSON", cause);
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    throw protocolError(subject, "the engine's answer has an unknown shape", result.error);
  }
  return result.data;
}

function readAll(
  message: IncomingMessage,
  subject: string,
  limit: number,
  scope: CallScope,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    message.on("data", (chunk: Buffer) => {
      scope.progress();
      bytes += chunk.length;
      if (bytes > limit) {
        message.destroy();
        reject(protocolError(subject, `the engine's answer is longer than ${limit} bytes`));
        return;
      }
      chunks.push(chunk);
    });
    const brokeOff = (cause?: Error): void => {
      reject(truncatedError(subject, "the connection broke off inside the engine's answer", cause));
    };
    message.on("end", () => {
      if (message.complete) resolve(Buffer.concat(chunks));
      else brokeOff();
    });
    message.on("error", brokeOff);
    message.on("close", () => {
      brokeOff();
    });
  });
}

function errorText(body: Buffer): string {
  const text = body.toString("utf8");
  try {
    const value = JSON.parse(text) as { message?: unknown } | null;
    if (typeof value?.message === "string") return value.message;
  } catch {
    // Not the engine's own error: shown as it came.
  }
  return text;
}

/** Notices a body stream that fails or ends early, which pipe() alone would wait on for ever. */
function watchSource(body: Readable | Buffer | undefined, scope: CallScope): { destroy(): void } {
  if (body === undefined || Buffer.isBuffer(body)) return { destroy: () => undefined };
  finished(body, { writable: false }, (error) => {
    if (error !== null && error !== undefined) scope.abort(error);
  });
  return {
    destroy() {
      body.destroy();
    },
  };
}

function isResponse(message: IncomingMessage | Duplex): message is IncomingMessage {
  return "statusCode" in message && typeof message.statusCode === "number";
}

// Documented as message.req, but missing from the types.
function requestOf(message: IncomingMessage): ClientRequest {
  return (message as IncomingMessage & { readonly req: ClientRequest }).req;
}

function isExpected(status: number, expect: readonly number[] | undefined): boolean {
  return expect === undefined ? status >= 200 && status <= 299 : expect.includes(status);
}

function isLostConnection(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE";
}

function plainHeaders(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
}

function definedOnly(query: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
