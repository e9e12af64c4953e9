import type { Clock } from "@molecule-ai/core";
import { eq, sql, type InferSelectModel } from "drizzle-orm";
import type { Logger } from "../logger.js";
import type { Database } from "./database.js";
import { serverInstances } from "./schema.js";

export type ServerInstance = InferSelectModel<typeof serverInstances>;

/** Silence after which a process counts as dead. */
const DEAD_AFTER_SECONDS = 30;
const HEARTBEAT_MS = 10_000;

export interface ServerInstanceOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly id: string;
  /** The engine it works with; undefined until there is one. */
  readonly hostId: () => string | undefined;
  /** Where its peers reach it. */
  readonly url: string | undefined;
}

/**
 * Makes this process known to those that share the store, until disposed. Rows of processes that
 * died are dropped on the way.
 */
export async function registerServerInstance(
  options: ServerInstanceOptions,
): Promise<AsyncDisposable> {
  const { db, clock, id, url } = options;
  const beat = async (): Promise<void> => {
    const seen = { hostId: options.hostId() ?? null, url, seenAt: sql`clock_timestamp()` };
    await db
      .insert(serverInstances)
      .values({ id, ...seen })
      .onConflictDoUpdate({ target: serverInstances.id, set: seen });
    await db.delete(serverInstances).where(sql`${serverInstances.seenAt} < ${longAgo()}`);
  };
  await beat();
  const stop = new AbortController();
  const beating = (async () => {
    while (!stop.signal.aborted) {
      await clock.sleep(HEARTBEAT_MS, stop.signal).catch(() => undefined);
      if (stop.signal.aborted) return;
      await beat().catch((error: unknown) => {
        options.logger.warn({ err: error }, "this process could not say that it lives");
      });
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await beating;
      await db.delete(serverInstances).where(eq(serverInstances.id, id));
    },
  };
}

/** The processes that live, oldest first. */
export async function listServerInstances(db: Database): Promise<ServerInstance[]> {
  return db
    .select()
    .from(serverInstances)
    .where(sql`${serverInstances.seenAt} >= ${longAgo()}`)
    .orderBy(serverInstances.startedAt, serverInstances.id);
}

const longAgo = () => sql`clock_timestamp() - ${DEAD_AFTER_SECONDS} * interval '1 second'`;
