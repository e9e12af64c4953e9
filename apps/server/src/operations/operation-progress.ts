import type { EventSink, JsonObject, ProvisionEvent, Redactor } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import type { NewEvent } from "../store/events.js";
import type { operations } from "../store/schema.js";
import type { OperationRow } from "./operation.js";

export type ProgressColumns = Pick<
  PgUpdateSetSource<typeof operations>,
  "stage" | "stageStartedAt" | "progressAt"
>;

/** What is not in the store yet. */
export interface UnwrittenProgress {
  readonly columns: ProgressColumns;
  readonly events: readonly NewEvent[];
}

export interface OperationProgress {
  readonly onEvent: EventSink;
  /** Durations of the stages that ended so far. */
  timings(): { readonly stage: string; readonly durationMs: number }[];
  /** Stops writing; resolves with what the caller has to write itself. */
  close(): Promise<UnwrittenProgress>;
}

export interface OperationProgressOptions {
  readonly operation: OperationRow;
  readonly redactor: Redactor;
  /** Stores it; a rejection means: later, with what came meanwhile. */
  readonly write: (progress: UnwrittenProgress) => Promise<void>;
}

/** Stages that follow each other within this time are one write. */
const STAGE_DELAY_MS = 20;
const PROGRESS_INTERVAL_MS = 1000;

/** Keeps the store informed without a write for every line of a build. */
export function createOperationProgress(options: OperationProgressOptions): OperationProgress {
  const { operation, redactor } = options;
  const timings: { stage: string; durationMs: number }[] = [];
  let columns: ProgressColumns | undefined;
  let events: NewEvent[] = [];
  let timer: { readonly handle: NodeJS.Timeout; readonly delayMs: number } | undefined;
  let writing: Promise<void> | undefined;
  let isClosed = false;

  const schedule = (delayMs: number): void => {
    if (isClosed || (timer !== undefined && timer.delayMs <= delayMs)) return;
    clearTimeout(timer?.handle);
    const handle = setTimeout(() => {
      timer = undefined;
      writing ??= flush().then((isWritten) => {
        writing = undefined;
        if (columns === undefined) return;
        schedule(isWritten && events.length > 0 ? STAGE_DELAY_MS : PROGRESS_INTERVAL_MS);
      });
    }, delayMs);
    timer = { handle, delayMs };
  };
  const flush = async (): Promise<boolean> => {
    const taken = take();
    try {
      await options.write(taken);
      return true;
    } catch {
      columns = { ...taken.columns, ...columns };
      events = [...taken.events, ...events];
      return false;
    }
  };
  const take = (): UnwrittenProgress => {
    const taken = { columns: columns ?? {}, events };
    columns = undefined;
    events = [];
    return taken;
  };

  const tell = (payload: JsonObject): void => {
    events.push({
      type: "OPERATION_STAGE",
      workspaceId: operation.workspaceId,
      operationId: operation.id,
      actor: "system:worker",
      payload: { kind: operation.kind, ...payload },
    });
    schedule(STAGE_DELAY_MS);
  };

  return {
    onEvent(event: ProvisionEvent) {
      if (isClosed) return;
      // By the clock of the database, as all that is compared with it; it is written soon.
      const now = sql`clock_timestamp()`;
      switch (event.type) {
        case "stage.started":
          columns = { stage: event.stage, stageStartedAt: now, progressAt: now };
          tell({
            stage: event.stage,
            state: "started",
            subject: redactor.redact(event.subject),
          });
          break;
        case "stage.finished":
        case "stage.failed":
          timings.push({ stage: event.stage, durationMs: event.durationMs });
          columns = { ...columns, progressAt: now };
          tell({
            stage: event.stage,
            state: event.type === "stage.finished" ? "finished" : "failed",
            duration_ms: event.durationMs,
            ...(event.type === "stage.finished"
              ? { outcome: redactor.redact(event.outcome) }
              : { code: event.error.code }),
          });
          break;
        default:
          columns = { ...columns, progressAt: now };
          schedule(PROGRESS_INTERVAL_MS);
      }
    },
    timings: () => [...timings],
    async close() {
      isClosed = true;
      clearTimeout(timer?.handle);
      await writing;
      return take();
    },
  };
}
