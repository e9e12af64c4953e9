import { isProvisionerError } from "@molecule-ai/core";
import { CliError } from "../errors.js";
import type { FleetUpResult } from "../fleet/fleet.js";
import type { CommandContext } from "../run-command.js";
import { begun, stagePayload, workspaceAnswer, type OperationAnswer } from "./answers.js";
import { followBuild } from "./follow-build.js";
import {
  finishOperations,
  followOperation,
  readOperation,
  requireSuccess,
} from "./follow-operation.js";
import { createOperationStages, type OperationStages } from "./operation-stages.js";
import type { ServerClient } from "./server-client.js";

/** Longest time that taking back what was begun may take. */
const UNDO_LIMIT_MS = 85_000;

export interface Start {
  readonly id: string;
  readonly operationId: string | undefined;
  /** The last event before it was asked for. */
  readonly afterEventId: string;
  readonly wait: boolean;
  /** A failure or an abort removes the workspace; otherwise the old one goes on. */
  readonly leavesNothing: boolean;
}

/**
 * Follows the start of a workspace to its end and shows its stages. A failure or an abort takes back
 * what was begun before it is thrown; only when the server does not answer any more, it goes on there.
 */
export async function runStart(
  context: CommandContext,
  client: ServerClient,
  start: Start,
): Promise<FleetUpResult> {
  const { signal, clock, onEvent } = context;
  const { id, operationId } = start;
  if (operationId === undefined) {
    throw new CliError("ERR_CLI_SERVER_ANSWER", "The server does not say what it has begun", {
      hint: "This program needs a newer server.",
    });
  }
  const stages = createOperationStages(onEvent);
  using builds = followBuilds(context, client, { workspaceId: id, operationId });
  try {
    const operation = await followOperation(client, {
      workspaceId: id,
      operationId,
      afterEventId: start.afterEventId,
      signal,
      clock,
      onEvent(event) {
        stages.onEvent(event);
        const payload = stagePayload.safeParse(event.payload);
        if (event.event_type !== "OPERATION_STAGE" || payload.data?.stage !== "build") return;
        if (payload.data.state === "started") builds.begin();
      },
      until: ({ event_type: type, payload }) => {
        if (start.wait || type !== "OPERATION_STAGE") return false;
        const { data } = stagePayload.safeParse(payload);
        return data?.stage === "start" && data.state === "finished";
      },
    });
    requireSuccess(operation);
    return await describeStart(context, client, { id, operation, stages });
  } catch (error) {
    // A server that is gone for a while goes on where it was: that is no reason to take anything back.
    if (signal.aborted || !isLost(error)) await takeBack(context, client, start, operationId);
    throw error;
  }
}

function isLost(error: unknown): boolean {
  return error instanceof CliError && error.code.startsWith("ERR_CLI_SERVER_");
}

/** The output of the builds of an operation, as a local run shows it; dispose it to listen no more. */
function followBuilds(
  { signal, clock, onEvent }: CommandContext,
  client: ServerClient,
  operation: { readonly workspaceId: string; readonly operationId: string },
): Disposable & { begin(): void } {
  const ended = new AbortController();
  const listening = AbortSignal.any([signal, ended.signal]);
  return {
    begin() {
      // Only for show: when it cannot be had, the stages still tell how it goes.
      followBuild(client, { ...operation, signal: listening, clock, onEvent }).catch(
        () => undefined,
      );
    },
    [Symbol.dispose]() {
      ended.abort();
    },
  };
}

async function describeStart(
  { signal, onEvent }: CommandContext,
  client: ServerClient,
  done: {
    readonly id: string;
    readonly operation: OperationAnswer;
    readonly stages: OperationStages;
  },
): Promise<FleetUpResult> {
  const { operation, stages } = done;
  const workspace = await client.call({
    method: "GET",
    path: `/workspaces/${done.id}`,
    answer: workspaceAnswer,
    signal,
  });
  const { image, admission } = workspace;
  for (const { rule, message, remedy } of admission?.findings ?? []) {
    onEvent({
      type: "warning",
      code: "WARN_WORKSPACE_ADMISSION",
      message: `${admission?.image}: rule ${rule}: ${message}.`,
      hint: remedy,
    });
  }
  return {
    id: workspace.id,
    name: workspace.name,
    url: workspace.url || undefined,
    tier: workspace.tier_applied ?? workspace.tier,
    image:
      image === null || image === undefined
        ? undefined
        : {
            ref: image,
            digest: workspace.runtime_image_digest ?? undefined,
            revision: workspace.image_revision ?? undefined,
            tree: workspace.image_tree ?? undefined,
            outcome: imageOutcome(stages),
          },
    admission:
      admission === null || admission === undefined || admission.decision === "refused"
        ? undefined
        : { decision: admission.decision, findings: admission.findings },
    timings: (operation.timings ?? []).map(({ stage, duration_ms: durationMs }) => ({
      stage,
      durationMs,
    })),
    ready: operation.state === "succeeded",
  };
}

/** How the image was come by, told by the stages there were. */
function imageOutcome(stages: OperationStages): "built" | "retagged" | "pulled" | "present" {
  if (stages.outcomeOf("pull") !== undefined) return "pulled";
  switch (stages.outcomeOf("build")) {
    case "built":
      return "built";
    case "re-tagged":
      return "retagged";
    default:
      return "present";
  }
}

/**
 * Cancels the operation, removes a workspace that was new, and waits until both are done. What goes
 * wrong here is told as a warning: the failure that led here says more.
 */
async function takeBack(
  { clock, onEvent }: CommandContext,
  client: ServerClient,
  { id, leavesNothing }: Start,
  operationId: string,
): Promise<void> {
  const run = { signal: AbortSignal.timeout(UNDO_LIMIT_MS), clock };
  try {
    if (leavesNothing) await removeWorkspace(client, id, run);
    else await cancelOperation(client, operationId, run);
    onEvent({
      type: "undone",
      what: leavesNothing ? `workspace ${id}` : `the new start of workspace ${id}`,
    });
  } catch (error) {
    onEvent({
      type: "warning",
      code: "WARN_NOT_TAKEN_BACK",
      message: `What was begun for workspace ${id} may go on in the server: ${messageOf(error)}`,
      hint: leavesNothing ? `Remove it with: rm ${id}` : `See how it stands with: inspect ${id}`,
    });
  }
}

type Run = Parameters<typeof finishOperations>[2];

async function removeWorkspace(client: ServerClient, id: string, run: Run): Promise<void> {
  const { operations } = await client.call({
    method: "DELETE",
    path: `/workspaces/${id}`,
    // Its agent may have made others below it already.
    query: { confirm: "true" },
    answer: begun,
    signal: run.signal,
    timeoutMs: UNDO_LIMIT_MS,
  });
  await finishOperations(client, operations, run);
}

async function cancelOperation(client: ServerClient, id: string, run: Run): Promise<void> {
  try {
    await client.call({
      method: "POST",
      path: `/operations/${id}/cancel`,
      answer: begun,
      signal: run.signal,
    });
  } catch (error) {
    // It has ended by itself.
    if (!isProvisionerError(error, "ERR_CONFLICT")) throw error;
  }
  const { state } = await readOperation(client, id, run.signal);
  await finishOperations(client, [{ id, state }], run).catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== "ERR_OPERATION_CANCELLED") throw error;
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
