import { STAGES, type EventSink, type Stage } from "@molecule-ai/core";
import { stagePayload, type EventAnswer } from "./answers.js";

/** What is shown of an operation in a server: the stages as a local run shows them. */
export interface OperationStages {
  onEvent(event: EventAnswer): void;
  /** Outcome of a stage that has ended well. */
  outcomeOf(stage: Stage): string | undefined;
}

/** Turns the server's events into those of a local run; stages it does not know are left out. */
export function createOperationStages(onEvent: EventSink): OperationStages {
  const outcomes = new Map<Stage, string>();
  return {
    onEvent({ event_type: type, payload }) {
      if (type === "OPERATION_RETRIED") {
        onEvent({
          type: "warning",
          code: "WARN_OPERATION_RETRIED",
          message: "The server begins the operation again",
        });
        return;
      }
      if (type !== "OPERATION_STAGE") return;
      const parsed = stagePayload.safeParse(payload);
      const stage = STAGES.find((known) => known === parsed.data?.stage);
      if (!parsed.success || stage === undefined) return;
      const {
        state,
        subject = "",
        outcome = "done",
        code,
        duration_ms: durationMs = 0,
      } = parsed.data;
      switch (state) {
        case "started":
          onEvent({ type: "stage.started", stage, subject });
          break;
        case "finished":
          outcomes.set(stage, outcome);
          onEvent({ type: "stage.finished", stage, outcome, durationMs });
          break;
        case "failed":
          onEvent({
            type: "stage.failed",
            stage,
            durationMs,
            error: {
              name: "ProvisionerError",
              code: code ?? "ERR_INTERNAL",
              message: `${stage} failed in the server`,
              retryable: false,
              details: {},
            },
          });
          break;
        default:
          state satisfies never;
      }
    },
    outcomeOf: (stage) => outcomes.get(stage),
  };
}
