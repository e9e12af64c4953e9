import type { JsonObject } from "@molecule-ai/core";
import type { Tokens } from "../access/tokens.js";
import type { AdmissionView } from "../api/admission-view.js";
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
  const told = verdictEvents(result?.verdict).map((event) => ({ ...common, ...event }));
  if (ending.state === "succeeded") {
    if (result?.kind !== "started") return [];
    await tokens.revokeAllBut(tx, id, operationId);
    const isOnline = await writeStarted(tx, id, result, hasNext);
    if (!isOnline) return told;
    const { url, tier, image } = result.result;
    return [
      ...told,
      {
        ...common,
        type: "WORKSPACE_ONLINE",
        payload: { source: operation.kind, url, tier, image: image.ref },
      },
    ];
  }
  if (result?.verdict !== undefined) await patchWorkspace(tx, id, { admission: result.verdict });
  // A container that an interrupted run of this very operation left may use one of its tokens; only
  // what failed by itself has taken back all it did.
  if (operation.attempt <= operation.retries + 1)
    await tokens.revokeOfOperation(tx, id, operationId);
  if (hasNext) return told;
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
    return [
      ...told,
      ...(wasCancelled ? [] : [failed]),
      ...(restored === undefined ? [] : [online]),
    ];
  }
  if (wasCancelled && operation.kind === "resume") {
    const paused = await transition(tx, id, "pause");
    return paused === undefined ? [] : [{ ...common, type: "WORKSPACE_PAUSED", payload: {} }];
  }
  const isFailed = await writeFailed(tx, id, { lastSampleError, wasCancelled });
  return isFailed ? [...told, failed] : told;
}

/** Only what is worth a person's look. */
function verdictEvents(verdict: AdmissionView | undefined): Pick<NewEvent, "type" | "payload">[] {
  if (verdict === undefined || verdict.decision === "allowed") return [];
  const type = verdict.decision === "warned" ? "ADMISSION_WARNED" : "ADMISSION_REFUSED";
  const { image, tier, findings } = verdict;
  return [{ type, payload: { image, tier, findings } }];
}

/** True when the workspace became online by it. */
async function writeStarted(
  tx: Database,
  id: string,
  { result, provenance, verdict }: Extract<StartResult, { readonly kind: "started" }>,
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
    imageProvenance: provenance ?? null,
    admission: verdict ?? null,
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
