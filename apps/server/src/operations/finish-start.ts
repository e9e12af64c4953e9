import type { JsonObject } from "@molecule-ai/core";
import type { UpResult } from "@molecule-ai/provisioner-core";
import type { Tokens } from "../access/tokens.js";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import { patchWorkspace, transition } from "../store/workspaces.js";
import { endOpenBuilds } from "./build-log-writer.js";
import { operationParams } from "./operation-params.js";
import type { OperationEnding, OperationFailure, OperationRow } from "./operation.js";
import type { StartResult } from "./run-start.js";

interface FinishedStart {
  readonly operation: OperationRow;
  readonly ending: OperationEnding;
  /** Undefined when it never ran. */
  readonly result: StartResult | undefined;
  /** Something else was asked for meanwhile: that explains the status. */
  readonly hasNext: boolean;
}

/** Writes what the end of a provision, restart or resume means; the events are the caller's to record. */
export async function finishStart(
  tx: Database,
  tokens: Tokens,
  { operation, ending, result, hasNext }: FinishedStart,
): Promise<NewEvent[]> {
  const { id: operationId, workspaceId: id } = operation;
  await endOpenBuilds(tx, operationId, ending.state === "succeeded" ? "succeeded" : ending.state);
  const common = { workspaceId: id, operationId, actor: "system:worker" };
  if (ending.state === "succeeded") {
    if (result?.kind !== "started") return [];
    await tokens.revokeAllBut(tx, id, operationId);
    const isOnline = await writeStarted(tx, id, result.result, hasNext);
    if (!isOnline) return [];
    const { url, tier, image } = result.result;
    return [
      {
        ...common,
        type: "WORKSPACE_ONLINE",
        payload: { source: operation.kind, url, tier, image: image.ref },
      },
    ];
  }
  // A container that an interrupted run of this very operation left may use one of its tokens; only
  // what failed by itself has taken back all it did.
  if (operation.attempt <= operation.retries + 1)
    await tokens.revokeOfOperation(tx, id, operationId);
  if (hasNext) return [];
  const isRunning = result?.kind === "not-started" && result.isRunning;
  const wasCancelled = ending.state === "cancelled";
  const lastSampleError = ending.error.message;
  const failed: NewEvent = {
    ...common,
    type: "WORKSPACE_PROVISION_FAILED",
    payload: { ...failurePayload(operation, ending.error), runs_as_before: isRunning },
  };
  const neverBegan = wasCancelled && result === undefined;
  if (isRunning || (neverBegan && operationParams.parse(operation.params).ranBefore === true)) {
    const restored = await transition(tx, id, "restore", {
      patch: wasCancelled ? {} : { lastSampleError },
    });
    const online: NewEvent = {
      ...common,
      type: "WORKSPACE_ONLINE",
      payload: { source: "restore" },
    };
    return [...(wasCancelled ? [] : [failed]), ...(restored === undefined ? [] : [online])];
  }
  if (wasCancelled && operation.kind === "resume") {
    const paused = await transition(tx, id, "pause");
    return paused === undefined ? [] : [{ ...common, type: "WORKSPACE_PAUSED", payload: {} }];
  }
  return (await writeFailed(tx, id, { lastSampleError, wasCancelled })) ? [failed] : [];
}

/** True when the workspace became online by it. */
async function writeStarted(
  tx: Database,
  id: string,
  result: UpResult,
  hasNext: boolean,
): Promise<boolean> {
  const { image } = result;
  const patch = {
    url: result.url,
    urlTrusted: true,
    internalUrl: result.internalUrl,
    tierApplied: result.tier,
    imageRef: image.ref,
    imageDigest: image.digest ?? null,
    imageId: image.imageId,
    imageRevision: image.revision ?? null,
    imageTree: image.tree ?? null,
    lastSampleError: "",
  };
  if (hasNext) {
    await patchWorkspace(tx, id, patch);
    return false;
  }
  if ((await transition(tx, id, "ready", { patch })) !== undefined) return true;
  // It may have been given up meanwhile, by a deadline or by what the agent said.
  if ((await transition(tx, id, "restore", { patch })) !== undefined) return true;
  await patchWorkspace(tx, id, patch);
  return false;
}

/** True when the workspace is failed by it. */
async function writeFailed(
  tx: Database,
  id: string,
  { lastSampleError, wasCancelled }: { lastSampleError: string; wasCancelled: boolean },
): Promise<boolean> {
  const patch = { lastSampleError };
  if ((await transition(tx, id, "fail", { patch })) !== undefined) return true;
  // A heartbeat of what was taken back since had made it online.
  if ((await transition(tx, id, "lose")) !== undefined) {
    return (await transition(tx, id, "giveUp", { patch })) !== undefined;
  }
  // Whoever failed it before cancelling what ran knows better why.
  if (!wasCancelled) await patchWorkspace(tx, id, patch);
  return false;
}

function failurePayload(operation: OperationRow, error: OperationFailure): JsonObject {
  const missing = error.details["missing"];
  return {
    error: error.message,
    code: error.code,
    stage: operation.stage,
    kind: operation.kind,
    runtime: operation.runtime,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.logTail === undefined ? {} : { log_tail: error.logTail }),
    ...(missing === undefined ? {} : { missing }),
  };
}
