import { and, eq, inArray, isNotNull, isNull, ne } from "drizzle-orm";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { Caller } from "../access/caller.js";
import { hashToken, parseBearer } from "../access/token-text.js";
import { ServerError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { Store } from "../store/open-store.js";
import { tokens, workspaces } from "../store/schema.js";

export interface StreamAnswer {
  readonly contentType: string;
  /** Sent when nothing else was for a while. */
  readonly heartbeat?: string | undefined;
  /** What is sent; pulled no faster than the client reads. */
  readonly chunks: (signal: AbortSignal) => AsyncIterable<string | Uint8Array>;
}

/** Answers that go on for a long time, each counted against its caller. */
export interface OpenStreams extends AsyncDisposable {
  readonly size: number;
  /**
   * Answers with a stream that ends when `chunks` does, when the client leaves or stops reading, when
   * its token is revoked, and when the server stops.
   *
   * @throws ServerError `ERR_RATE_LIMITED` when the caller has too many, `ERR_STREAM_LIMIT` when
   *   there are too many altogether or the server is stopping.
   */
  answer(request: FastifyRequest, reply: FastifyReply, stream: StreamAnswer): FastifyReply;
}

export interface OpenStreamsOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly most?: number | undefined;
  readonly mostOfWorkspace?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  /** A client that takes nothing for this long is dropped. */
  readonly stallMs?: number | undefined;
  /** Tokens are looked at this often even when nobody said that one was revoked. */
  readonly recheckMs?: number | undefined;
}

/** Bytes kept for one client beside what the system's sockets hold. */
const BUFFER_BYTES = 64 * 1024;
/** What a client may take to read the last bytes of a stream that is over. */
const FLUSH_MS = 1000;
const KEEP_ALIVE_MS = 30_000;

interface OpenStream {
  readonly caller: Caller;
  readonly tokenHash: Buffer | undefined;
  readonly end: AbortController;
}

export async function createOpenStreams(options: OpenStreamsOptions): Promise<OpenStreams> {
  const { store, logger, most = 2000, mostOfWorkspace = 16 } = options;
  const { heartbeatMs = 15_000, stallMs = 30_000, recheckMs = 10_000 } = options;
  const open = new Set<OpenStream>();
  let isOver = false;

  const admit = (request: FastifyRequest): OpenStream => {
    if (isOver) throw limit("The server is stopping.");
    if (open.size >= most) throw limit("The server has as many open streams as it may have.");
    const { caller } = request;
    if (caller.kind === "workspace") {
      const own = [...open].filter(
        (other) =>
          other.caller.kind === "workspace" && other.caller.workspaceId === caller.workspaceId,
      );
      if (own.length >= mostOfWorkspace) {
        throw new ServerError(
          "ERR_RATE_LIMITED",
          `This workspace has ${mostOfWorkspace} streams open already.`,
          { hint: "Close one first.", retryable: true },
        );
      }
    }
    const stream = { caller, tokenHash: hashOfBearer(request), end: new AbortController() };
    open.add(stream);
    return stream;
  };

  /** Of one workspace, or all. */
  const recheck = async (workspaceId = ""): Promise<void> => {
    const now = [...open].filter(
      ({ caller }) =>
        workspaceId === "" || caller.kind !== "workspace" || caller.workspaceId === workspaceId,
    );
    if (now.length === 0) return;
    try {
      const isDead = await readDeadTokens(store, now);
      for (const stream of now) if (isDead(stream)) stream.end.abort();
    } catch (error) {
      // Doubt is no revocation.
      logger.warn({ err: error }, "tokens of open streams cannot be checked");
    }
  };
  const unsubscribe = await store.notifications.subscribe(
    "molecule_tokens",
    (workspaceId) => void recheck(workspaceId),
  );
  const timer = setInterval(() => void recheck(), recheckMs);
  timer.unref();

  return {
    get size() {
      return open.size;
    },
    answer(request, reply, { contentType, heartbeat, chunks }) {
      const stream = admit(request);
      const { signal } = stream.end;
      keepAlive(request.raw.socket);
      const body = new PacedBody();
      let flush: NodeJS.Timeout | undefined;
      const beat = setInterval(() => {
        const waited = body.blockedFor();
        if (waited >= stallMs) reply.raw.destroy();
        else if (waited === 0 && heartbeat !== undefined) body.offer(heartbeat);
      }, heartbeatMs);
      signal.addEventListener("abort", () => {
        body.leave();
        flush = setTimeout(() => reply.raw.destroy(), FLUSH_MS);
      });
      body.once("close", () => {
        clearInterval(beat);
        open.delete(stream);
        stream.end.abort();
        clearTimeout(flush);
      });
      // Where no heartbeat would ever say so, the headers tell the client that it is connected.
      if (heartbeat === undefined) reply.raw.once("pipe", () => reply.raw.flushHeaders());
      const pump = async (): Promise<void> => {
        try {
          for await (const chunk of chunks(signal)) {
            if (signal.aborted) break;
            if (!body.offer(chunk)) await body.demand();
            if (signal.aborted) break;
          }
        } catch (error) {
          if (!signal.aborted) {
            request.log.warn({ err: error }, "a stream was cut off");
            reply.raw.destroy();
            return;
          }
        }
        if (!body.destroyed) body.push(null);
      };
      void pump();
      // The connection is of no more use once a stream on it has ended.
      return reply
        .header("content-type", contentType)
        .header("cache-control", "no-store, no-transform")
        .header("x-accel-buffering", "no")
        .header("connection", "close")
        .send(body);
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      clearInterval(timer);
      unsubscribe();
      for (const { end } of open) end.abort();
      await Promise.resolve();
    },
  };
}

/** A readable whose writer can wait until more is wanted. */
class PacedBody extends Readable {
  #wanted: (() => void) | undefined;
  #blockedSince: number | undefined;

  constructor() {
    super({ highWaterMark: BUFFER_BYTES });
  }

  override _read(): void {
    this.#blockedSince = undefined;
    this.leave();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.leave();
    done(error);
  }

  /** Milliseconds since the buffer became full; 0 while there is room. */
  blockedFor(): number {
    return this.#blockedSince === undefined ? 0 : performance.now() - this.#blockedSince;
  }

  /** False when nothing more should be offered until there is demand. */
  offer(chunk: string | Uint8Array): boolean {
    const hasRoom = this.destroyed || this.push(chunk);
    if (!hasRoom) this.#blockedSince ??= performance.now();
    return hasRoom;
  }

  /** Resolves when the reader has taken what there was, or is gone. */
  demand(): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = resolve;
      if (this.destroyed) resolve();
    });
  }

  /** Ends the wait of the writer. */
  leave(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }
}

/** Silence is normal here: whether the client is still there is for the network to find out. */
function keepAlive(socket: Partial<Socket>): void {
  // What is injected in a test has no real socket.
  socket.setTimeout?.(0);
  socket.setKeepAlive?.(true, KEEP_ALIVE_MS);
}

function hashOfBearer(request: FastifyRequest): Buffer | undefined {
  const token = parseBearer(request.headers.authorization);
  return token === undefined ? undefined : hashToken(token);
}

/** A workspace's token has to be live; one of the administrator must not have been revoked. */
async function readDeadTokens(
  { db }: Store,
  streams: readonly OpenStream[],
): Promise<(stream: OpenStream) => boolean> {
  const ids = streams.flatMap(({ caller }) =>
    caller.kind === "workspace" ? [caller.tokenId] : [],
  );
  const hashes = streams.flatMap(({ caller, tokenHash }) =>
    caller.kind === "admin" && tokenHash !== undefined ? [tokenHash] : [],
  );
  const live =
    ids.length === 0
      ? []
      : await db
          .select({ id: tokens.id })
          .from(tokens)
          .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
          .where(
            and(
              inArray(tokens.id, [...new Set(ids)]),
              isNull(tokens.revokedAt),
              ne(workspaces.status, "removed"),
            ),
          );
  const revoked =
    hashes.length === 0
      ? []
      : await db
          .select({ hash: tokens.tokenHash })
          .from(tokens)
          .where(and(inArray(tokens.tokenHash, hashes), isNotNull(tokens.revokedAt)));
  const liveIds = new Set(live.map(({ id }) => id));
  const revokedHashes = new Set(revoked.map(({ hash }) => Buffer.from(hash).toString("hex")));
  return ({ caller, tokenHash }) => {
    switch (caller.kind) {
      case "workspace":
        return !liveIds.has(caller.tokenId);
      case "admin":
        return tokenHash !== undefined && revokedHashes.has(tokenHash.toString("hex"));
      case "anonymous":
        return false;
      default:
        return caller satisfies never;
    }
  };
}

function limit(message: string): ServerError {
  return new ServerError("ERR_STREAM_LIMIT", message, {
    hint: "Try again later, or at another server process.",
    retryable: true,
  });
}
