import { ProvisionerError, type Clock } from "@molecule-ai/core";
import {
  eventAnswer,
  operationAnswer,
  type EventAnswer,
  type OperationAnswer,
  type OperationReference,
} from "./answers.js";
import type { ServerClient } from "./server-client.js";
import { readEventStream } from "./sse-stream.js";
import { parseJson } from "./parse-json.js";

const HAS_ENDED: readonly OperationAnswer["state"][] = ["succeeded", "failed", "cancelled"];
const POLL_MS = 1000;
const ENDED = ["OPERATION_SUCCEEDED", "OPERATION_FAILED", "OPERATION_CANCELLED"];

export interface OperationToFollow {
  readonly workspaceId: string;
  readonly operationId: string;
  /** The last event before the operation was asked for. */
  readonly afterEventId: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Everything the server tells of the operation, in order. */
  readonly onEvent: (event: EventAnswer) => void;
  /** True when nothing more is to be waited for. */
  readonly until?: ((event: EventAnswer) => boolean) | undefined;
}

/**
 * Listens until the operation has ended, or `until` says so, and answers how it stands then. Through
 * lost connections and restarts of the server: it takes up where it was.
 */
export async function followOperation(
  client: ServerClient,
  operation: OperationToFollow,
): Promise<OperationAnswer> {
  const { workspaceId, operationId, signal, clock } = operation;
  const events = readEventStream(
    client,
    {
      path: `/workspaces/${workspaceId}/events/stream`,
      lastEventId: operation.afterEventId,
      signal,
    },
    clock,
  );
  for await (const { data } of events) {
    const event = eventAnswer.safeParse(parseJson(data));
    if (!event.success || event.data.operation_id !== operationId) continue;
    operation.onEvent(event.data);
    if (ENDED.includes(event.data.event_type) || operation.until?.(event.data) === true) break;
  }
  return readOperation(client, operationId, signal);
}

export function readOperation(
  client: ServerClient,
  operationId: string,
  signal: AbortSignal,
): Promise<OperationAnswer> {
  return client.call({
    method: "GET",
    path: `/operations/${operationId}`,
    answer: operationAnswer,
    signal,
  });
}

/**
 * Waits for what a command led to; the server has waited for some time itself. Throws as
 * {@link requireSuccess} when one of them did not succeed.
 */
export async function finishOperations(
  client: ServerClient,
  operations: readonly OperationReference[],
  run: { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<void> {
  for (const { id, state } of operations) {
    if (state === "succeeded") continue;
    let operation = await readOperation(client, id, run.signal);
    while (!HAS_ENDED.includes(operation.state)) {
      await run.clock.sleep(POLL_MS, run.signal);
      operation = await readOperation(client, id, run.signal);
    }
    requireSuccess(operation);
  }
}

/** Throws why an operation did not succeed, with the server's own code. */
export function requireSuccess(operation: OperationAnswer): void {
  if (operation.state !== "failed" && operation.state !== "cancelled") return;
  const { error } = operation;
  const lastLines = error?.log_tail?.split("\n").filter((line) => line !== "") ?? [];
  throw new ProvisionerError(
    error?.code ?? (operation.state === "failed" ? "ERR_INTERNAL" : "ERR_OPERATION_CANCELLED"),
    error?.message ?? `The server ${operation.state} the operation`,
    {
      hint: error?.hint ?? undefined,
      details: {
        operation: operation.id,
        ...(operation.stage === null ? {} : { stage: operation.stage }),
        ...(lastLines.length === 0 ? {} : { lastLines }),
      },
    },
  );
}
