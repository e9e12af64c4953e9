import { isProvisionerError, type Clock, type JsonValue } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import { Agent, request, type Dispatcher } from "undici";
import type { z } from "zod";
import { CliError } from "../errors.js";
import { readRefusal } from "./refusal.js";
import type { ServerAddress } from "./server-address.js";
import { parseJson } from "./parse-json.js";

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_ERROR_BYTES = 256 * 1024;
const TIMEOUT_MS = 30_000;
/** Waits before the repetitions of a call that may be repeated. */
const RETRY_DELAYS_MS = [200, 1000];

/** One call of a route. */
export interface ServerCall<T> {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly body?: JsonValue | undefined;
  /** Makes a POST one that may be repeated. */
  readonly idempotencyKey?: string | undefined;
  /** What a 2xx answer has to be; unknown members are left out of the result. */
  readonly answer: z.ZodType<T>;
  readonly signal: AbortSignal;
  /** Until the whole answer is here; default 30 s. */
  readonly timeoutMs?: number | undefined;
}

/** A page, and what to give as `cursor` for the next one. */
export interface Page<T> {
  readonly value: T;
  readonly next: string | undefined;
}

/** What a stream is asked by. */
export interface StreamCall {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  readonly accept: string;
  readonly lastEventId?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Calls of one server. Failures are `ERR_CLI_SERVER_UNREACHABLE` (no connection),
 * `ERR_CLI_SERVER_LOST` (it broke off), `ERR_CLI_SERVER_TIMEOUT`, `ERR_CLI_SERVER_REDIRECT` (the
 * token goes nowhere else), `ERR_CLI_SERVER_ANSWER` (an answer no server gives), or the server's own
 * code. Dispose it to close its connections.
 */
export interface ServerClient extends AsyncDisposable {
  readonly address: ServerAddress;
  call<T>(call: ServerCall<T>): Promise<T>;
  /** As {@link ServerClient.call}, for one page of a list. */
  page<T>(call: ServerCall<T>): Promise<Page<T>>;
  /** A body that comes bit by bit; the reader has to end or destroy it. */
  stream(call: StreamCall): Promise<Readable>;
}

export interface ServerClientOptions {
  readonly address: ServerAddress;
  readonly token: string | undefined;
  readonly clock: Clock;
}

export function createServerClient(options: ServerClientOptions): ServerClient {
  const { address, token, clock } = options;
  const { origin } = address;
  const agent = new Agent({ connect: { timeout: 10_000 } });

  const send = async (
    method: Dispatcher.HttpMethod,
    url: string,
    init: {
      readonly accept: string;
      readonly signal: AbortSignal;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | undefined;
    },
  ): Promise<Dispatcher.ResponseData> => {
    const answer = await request(url, {
      method,
      dispatcher: agent,
      signal: init.signal,
      headers: {
        accept: init.accept,
        "accept-encoding": "identity",
        "user-agent": "molecule-provisioner",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...init.headers,
      },
      body: init.body ?? null,
      // The limits of the callers are the only ones: a stream may be silent for long.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const { statusCode, body } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const location = answer.headers["location"];
    if (statusCode >= 300 && statusCode < 400) {
      discard(body);
      throw redirected(origin, statusCode, Array.isArray(location) ? location[0] : location);
    }
    const text = await readText(body, MAX_ERROR_BYTES, origin);
    throw (
      readRefusal(parseJson(text), { status: statusCode, origin }) ??
      unexpected(origin, `with status ${statusCode} and no reason`)
    );
  };

  const callOnce = async <T>(call: ServerCall<T>): Promise<Page<T>> => {
    const timeout = AbortSignal.timeout(call.timeoutMs ?? TIMEOUT_MS);
    const signal = AbortSignal.any([call.signal, timeout]);
    const url = address.route(call.path, call.query);
    try {
      const { body, headers } = await send(call.method, url, {
        accept: "application/json",
        signal,
        headers: {
          ...(call.body === undefined ? {} : { "content-type": "application/json" }),
          ...(call.idempotencyKey === undefined ? {} : { "idempotency-key": call.idempotencyKey }),
        },
        body: call.body === undefined ? undefined : JSON.stringify(call.body),
      });
      const text = await readText(body, MAX_BODY_BYTES, origin);
      const parsed = call.answer.safeParse(parseJson(text));
      const next = headers["x-next-cursor"];
      if (parsed.success) {
        return { value: parsed.data, next: typeof next === "string" ? next : undefined };
      }
      const where = parsed.error.issues[0]?.path.join(".") ?? "";
      throw unexpected(
        origin,
        `${call.method} ${call.path} in another shape${where === "" ? "" : ` (at ${where})`}`,
      );
    } catch (error) {
      call.signal.throwIfAborted();
      if (timeout.aborted) throw tooSlow(origin, call.timeoutMs ?? TIMEOUT_MS, error);
      throw asServerError(error, origin);
    }
  };

  const page: ServerClient["page"] = async (call) => {
    const repeatable = call.method === "GET" || call.idempotencyKey !== undefined;
    for (const delayMs of repeatable ? RETRY_DELAYS_MS : []) {
      try {
        return await callOnce(call);
      } catch (error) {
        if (!(error instanceof CliError) || error.code !== "ERR_CLI_SERVER_LOST") throw error;
        await clock.sleep(delayMs, call.signal);
      }
    }
    return callOnce(call);
  };

  return {
    address,
    page,
    async call(call) {
      return (await page(call)).value;
    },
    async stream(call) {
      const opening = new AbortController();
      const signal = AbortSignal.any([call.signal, opening.signal]);
      const late = setTimeout(() => opening.abort(), TIMEOUT_MS);
      try {
        const { body } = await send("GET", address.route(call.path, call.query), {
          accept: call.accept,
          signal,
          headers: call.lastEventId === undefined ? {} : { "last-event-id": call.lastEventId },
        });
        return body;
      } catch (error) {
        call.signal.throwIfAborted();
        if (opening.signal.aborted) throw tooSlow(origin, TIMEOUT_MS, error);
        throw asServerError(error, origin);
      } finally {
        clearTimeout(late);
      }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
    },
  };
}

/** Whatever undici threw, as an error of ours. */
export function asServerError(error: unknown, origin: string): Error {
  if (isProvisionerError(error)) return error;
  const reason = (error as { readonly code?: unknown }).code;
  const code = typeof reason === "string" ? reason : "unknown";
  if (code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE") {
    return new CliError("ERR_CLI_SERVER_LOST", `The connection to ${origin} broke off`, {
      hint: "Try again; what was begun goes on in the server, and ls shows it.",
      retryable: true,
      details: { origin, reason: code },
      cause: error,
    });
  }
  return new CliError("ERR_CLI_SERVER_UNREACHABLE", `No server answers at ${origin} (${code})`, {
    hint: "Check --server or MOLECULE_URL, and that the server runs; --local uses this machine's engine.",
    retryable: true,
    details: { origin, reason: code },
    cause: error,
  });
}

async function readText(body: Readable, maxBytes: number, origin: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      discard(body);
      throw unexpected(origin, `with more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Gives up a body and its connection. */
function discard(body: Readable): void {
  // The end of an unread body is reported as an error; here it is wanted.
  body.on("error", () => undefined);
  body.destroy();
}

function unexpected(origin: string, how: string): CliError {
  return new CliError("ERR_CLI_SERVER_ANSWER", `${origin} answered ${how}`, {
    hint: "Check that the address is that of a Molecule server, and not of something before it.",
    details: { origin },
  });
}

function redirected(origin: string, status: number, location: string | undefined): CliError {
  // Only what cannot hold a secret is shown of the target.
  const target =
    location !== undefined && URL.canParse(location, origin)
      ? new URL(location, origin).origin
      : "nowhere";
  return new CliError(
    "ERR_CLI_SERVER_REDIRECT",
    `${origin} redirects to ${target}; the token is not sent there`,
    { hint: "Give the address the server really has.", details: { origin, status, target } },
  );
}

function tooSlow(origin: string, ms: number, cause: unknown): CliError {
  return new CliError(
    "ERR_CLI_SERVER_TIMEOUT",
    `${origin} gave no whole answer within ${Math.round(ms / 1000)} s`,
    { hint: "Look at the log of the server.", retryable: true, details: { origin }, cause },
  );
}
