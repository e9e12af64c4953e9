import { CliError } from "../errors.js";
import { asServerError, type ServerClient } from "./server-client.js";
import { createSseParser, type ServerSentEvent } from "./sse.js";

const LONGEST_EVENT = 1024 * 1024;
/** A server sends a sign of life more often. */
const LONGEST_SILENCE_MS = 60_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5000;
/** So many connections that brought nothing, one after the other: a minute, in which a server restarts. */
const MOST_FAILURES = 16;

/** What is listened to. */
export interface EventStreamRequest {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>> | undefined;
  /** Takes the place of `query` once an event has come. */
  readonly resumeQuery?: Readonly<Record<string, string | undefined>> | undefined;
  /** Begin after this event; undefined: with what comes. */
  readonly lastEventId?: string | undefined;
  /** Name of the event that ends the stream; without it the stream has no end. */
  readonly endsWith?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Events of a stream, each once: a connection that breaks off or falls silent is opened again after
 * the last event that came. Ends with `endsWith`, which is not given out. Throws what the last of
 * several vain connections failed with, and at once what the server refuses.
 */
export async function* readEventStream(
  client: ServerClient,
  request: EventStreamRequest,
  clock: { sleep(ms: number, signal: AbortSignal): Promise<void> },
): AsyncGenerator<ServerSentEvent, void> {
  const { signal, endsWith } = request;
  let { lastEventId } = request;
  let failures = 0;
  let delayMs = FIRST_DELAY_MS;
  for (;;) {
    try {
      const parser = createSseParser({ maxLength: LONGEST_EVENT });
      const isResumed = lastEventId !== request.lastEventId;
      const query = isResumed ? (request.resumeQuery ?? request.query) : request.query;
      for await (const bytes of openStream(client, { ...request, query, lastEventId })) {
        for (const event of parser.push(bytes)) {
          failures = 0;
          delayMs = FIRST_DELAY_MS;
          if (event.id !== "") lastEventId = event.id;
          if (event.type === endsWith) return;
          yield event;
        }
      }
      failures += 1;
      if (failures >= MOST_FAILURES) throw brokenOff(client);
    } catch (error) {
      signal.throwIfAborted();
      const failure = asStreamError(error, client);
      failures += 1;
      if (!isWorthRetrying(failure) || failures >= MOST_FAILURES) throw failure;
    }
    await clock.sleep(delayMs, signal);
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  }
}

/** The bytes of one connection, which must not be silent for too long. */
async function* openStream(
  client: ServerClient,
  { path, query, lastEventId, signal }: EventStreamRequest,
): AsyncGenerator<Uint8Array, void> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), LONGEST_SILENCE_MS);
  const body = await client.stream({
    path,
    query,
    lastEventId,
    accept: "text/event-stream",
    signal: AbortSignal.any([signal, silent.signal]),
  });
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), LONGEST_SILENCE_MS);
      yield chunk;
    }
  } catch (error) {
    if (silent.signal.aborted && !signal.aborted) throw brokenOff(client);
    throw error;
  } finally {
    clearTimeout(timer);
    body.on("error", () => undefined);
    body.destroy();
  }
}

function asStreamError(error: unknown, client: ServerClient): Error {
  if (!(error instanceof RangeError)) return asServerError(error, client.address.origin);
  return new CliError(
    "ERR_CLI_SERVER_ANSWER",
    `${client.address.origin} sent a stream that cannot be read: ${error.message}`,
    { hint: "Check that the address is that of a Molecule server.", cause: error },
  );
}

function isWorthRetrying(error: Error): boolean {
  return (error as { readonly retryable?: unknown }).retryable === true;
}

function brokenOff(client: ServerClient): CliError {
  return new CliError(
    "ERR_CLI_SERVER_LOST",
    `${client.address.origin} ended its stream of events again and again`,
    { hint: "Look at the log of the server, or of a proxy before it.", retryable: true },
  );
}
