import type { Clock, EventSink, ProvisionEvent, Redactor } from "@molecule-ai/core";
import { and, eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import type { Logger } from "../logger.js";
import type { Database } from "../store/database.js";
import { notify } from "../store/notifications.js";
import { buildLogs, builds } from "../store/schema.js";
import type { OperationRow } from "./operation.js";

type BuildState = (typeof builds.$inferSelect)["state"];
type LogRow = typeof buildLogs.$inferInsert;

/** Keeps the output of the builds of one operation. */
export interface BuildLogWriter {
  readonly onEvent: EventSink;
  /**
   * Ends a build that is under way and waits until all is written. A build that cannot be stored is
   * only said in the log: the work itself did not fail.
   */
  close(ending: {
    readonly state: Exclude<BuildState, "running">;
    readonly imageRef?: string | undefined;
    readonly revision?: string | undefined;
  }): Promise<void>;
}

export interface BuildLogWriterOptions {
  readonly db: Database;
  readonly operation: Pick<OperationRow, "id" | "workspaceId" | "runtime">;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly maxLines?: number | undefined;
  readonly maxBytes?: number | undefined;
}

const MOST_LINES = 50_000;
const MOST_BYTES = 5 * 1024 * 1024;
/** One line that is longer is cut: nobody reads it. */
const MOST_LINE_CHARACTERS = 8192;
const FLUSH_AFTER_MS = 200;
const BATCH_LINES = 500;

interface Build {
  readonly id: string;
  readonly startedAt: Date;
  lines: number;
  bytes: number;
  truncated: boolean;
  isStored: boolean;
  readonly pending: LogRow[];
}

export function createBuildLogWriter(options: BuildLogWriterOptions): BuildLogWriter {
  const { db, operation, redactor, clock, logger } = options;
  const { maxLines = MOST_LINES, maxBytes = MOST_BYTES } = options;
  const ended: { readonly build: Build; readonly state: BuildState }[] = [];
  const vertices = new Map<string, string>();
  let current: Build | undefined;
  let last: Build | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  const begin = (): void => {
    current = {
      id: randomUUID(),
      startedAt: new Date(clock.now()),
      lines: 0,
      bytes: 0,
      truncated: false,
      isStored: false,
      pending: [],
    };
    last = current;
    vertices.clear();
    schedule();
  };
  const end = (state: BuildState): void => {
    if (current === undefined) return;
    ended.push({ build: current, state });
    current = undefined;
    schedule();
  };
  const add = (stream: LogRow["stream"], text: string): void => {
    if (current === undefined) return;
    const line = redactor.redact(text).slice(0, MOST_LINE_CHARACTERS);
    const bytes = Buffer.byteLength(line) + 1;
    if (current.truncated || current.lines >= maxLines || current.bytes + bytes > maxBytes) {
      current.truncated = true;
      return;
    }
    current.lines += 1;
    current.bytes += bytes;
    const { id: buildId, lines: seq } = current;
    current.pending.push({ buildId, seq, at: new Date(clock.now()), stream, line });
    schedule();
  };

  const schedule = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      writing = writing.then(flush);
    }, FLUSH_AFTER_MS);
  };
  const flush = async (): Promise<void> => {
    try {
      for (let over = ended[0]; over !== undefined; over = ended[0]) {
        await store(over.build, over.state);
        ended.shift();
      }
      if (current !== undefined) await store(current, "running");
    } catch (error) {
      logger.warn({ err: error, operationId: operation.id }, "a build log could not be stored");
    }
  };

  /** The row of the build first, then its lines in batches: none of them holds the store for long. */
  const store = async (build: Build, state: BuildState): Promise<void> => {
    do {
      const batch = build.pending.slice(0, BATCH_LINES);
      const lastSeq = batch.at(-1)?.seq ?? 0;
      const isLast = batch.length === build.pending.length;
      await db.transaction(async (tx) => {
        const progress = {
          logLines: lastSeq === 0 ? undefined : lastSeq,
          logBytes: build.bytes,
          truncated: build.truncated,
          ...(isLast ? { state, finishedAt: finishedAt(state) } : {}),
        };
        if (build.isStored) await tx.update(builds).set(progress).where(eq(builds.id, build.id));
        else {
          await tx.insert(builds).values({
            id: build.id,
            operationId: operation.id,
            workspaceId: operation.workspaceId,
            runtime: operation.runtime,
            startedAt: build.startedAt,
            ...progress,
            logLines: lastSeq,
            state: isLast ? state : "running",
          });
        }
        if (batch.length > 0) await tx.insert(buildLogs).values(batch);
        await notify(tx, "molecule_build_logs", build.id);
      });
      build.isStored = true;
      build.pending.splice(0, batch.length);
    } while (build.pending.length > 0);
  };
  const finishedAt = (state: BuildState): Date | null =>
    state === "running" ? null : new Date(clock.now());

  return {
    onEvent(event: ProvisionEvent) {
      switch (event.type) {
        case "stage.started":
          if (event.stage === "build") begin();
          break;
        case "stage.finished":
          if (event.stage === "build") end("succeeded");
          break;
        case "stage.failed":
          if (event.stage === "build") {
            end(event.error.code === "ERR_ABORTED" ? "cancelled" : "failed");
          }
          break;
        case "build.log":
          add(event.stream, event.line);
          break;
        case "build.vertex": {
          // Told again and again while nothing changes.
          if (vertices.get(event.id) === event.status) break;
          vertices.set(event.id, event.status);
          const error = event.error === undefined ? "" : `: ${event.error}`;
          add("step", `${event.name} ${event.status}${error}`);
          break;
        }
        default:
          break;
      }
    },
    async close({ state, imageRef, revision }) {
      end(state);
      clearTimeout(timer);
      timer = undefined;
      writing = writing.then(flush);
      await writing;
      if (state !== "succeeded" || last?.isStored !== true) return;
      try {
        await db.update(builds).set({ imageRef, revision }).where(eq(builds.id, last.id));
      } catch (error) {
        logger.warn({ err: error, operationId: operation.id }, "a build could not be described");
      }
    },
  };
}

/** Ends the builds that an interrupted run of an operation left open. */
export async function endOpenBuilds(
  tx: Database,
  operationId: string,
  state: Exclude<BuildState, "running">,
): Promise<void> {
  const left = await tx
    .update(builds)
    .set({ state, finishedAt: new Date() })
    .where(and(eq(builds.operationId, operationId), eq(builds.state, "running")))
    .returning({ id: builds.id });
  for (const { id } of left) await notify(tx, "molecule_build_logs", id);
}
