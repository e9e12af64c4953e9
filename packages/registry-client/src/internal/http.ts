import { createDeadline } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import { request, type Dispatcher } from "undici";
import { RegistryError } from "../errors.js";
import { disconnected, silent, unreachable } from "./failures.js";
import { discard } from "./read-body.js";

export type Answer = Dispatcher.ResponseData;

export type RequestBody = Buffer | ((progress: () => void) => Promise<Readable>);

/** One HTTP request to one URL. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is made for each time it is sent, and calls `progress` for each piece it gives. */
  readonly body?: RequestBody | undefined;
  /** For errors. */
  readonly host: string;
  readonly subject: string;
  /** Longest silence until the answer's header; sending counts as progress. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends one request and reads its answer within the time limit. What `read` leaves unread is not
 * limited any more, and not ended by the caller's abort: whoever keeps the body sees to that.
 */
export async function sendHttp<T>(
  dispatcher: Dispatcher,
  { host, subject, signal, ...sent }: HttpRequest,
  read: (answer: Answer, progress: () => void) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  using deadline = createDeadline({
    what: `${host}, ${subject}`,
    timeoutMs: sent.timeoutMs,
    signal,
  });
  const progress = (): void => {
    deadline.progress();
  };
  let body: Buffer | Readable | null = null;
  let answer: Answer | undefined;
  try {
    body = typeof sent.body === "function" ? await sent.body(progress) : (sent.body ?? null);
    answer = await request(sent.url, {
      dispatcher,
      method: sent.method,
      signal: deadline.signal,
      headers: {
        "user-agent": "molecule-registry-client",
        "accept-encoding": "identity",
        ...sent.headers,
      },
      body,
      // The deadline is the only time limit.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    progress();
    return await read(answer, progress);
  } catch (error) {
    if (answer !== undefined) discard(answer.body);
    signal?.throwIfAborted();
    if (deadline.signal.aborted) throw silent(host, subject, sent.timeoutMs);
    if (error instanceof RegistryError) throw error;
    throw answer === undefined
      ? unreachable(error, host, subject)
      : disconnected(error, host, subject);
  } finally {
    // A registry may answer before it has read everything.
    if (body !== null && !Buffer.isBuffer(body)) discard(body);
  }
}
