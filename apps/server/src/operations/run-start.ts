import { eq, sql } from "drizzle-orm";
import type { UpResult } from "@molecule-ai/provisioner-core";
import type { AdmissionView } from "../api/admission-view.js";
import { toProvenanceView, type ProvenanceView } from "../api/provenance-view.js";
import { ServerError } from "../errors.js";
import type { Host } from "../host/host.js";
import { workspaces } from "../store/schema.js";
import { findWorkspaceRow, patchWorkspace } from "../store/workspaces.js";
import { createBuildLogWriter, endOpenBuilds } from "./build-log-writer.js";
import { findLastImage } from "./last-image.js";
import { operationParams } from "./operation-params.js";
import type { OperationRow, RunContext } from "./operation.js";
import type { RunnerContext } from "./runner-context.js";
import { toSafeFailure } from "./safe-failure.js";
import { gatherSpec } from "./start-spec.js";
import { verdictOfRefusal, verdictOfStart } from "./start-verdict.js";

/** What a start came to, for the transaction that ends its operation. */
export type StartResult =
  | {
      readonly kind: "started";
      readonly result: UpResult;
      /** How its image came to be, where that is known. */
      readonly provenance: ProvenanceView | undefined;
      readonly verdict: AdmissionView | undefined;
    }
  /** Nothing new was started; `isRunning` says that the agent runs as before. */
  | {
      readonly kind: "not-started";
      readonly isRunning: boolean;
      /** When its image was refused. */
      readonly verdict?: AdmissionView | undefined;
    };

/**
 * Provision, restart and resume: one way from the row of a workspace to an agent that answers. What
 * ran before runs again when it fails. `report` is told what came of it, also when it rejects.
 */
export async function runStart(
  context: RunnerContext,
  operation: OperationRow,
  run: RunContext,
  report: (result: StartResult) => void,
): Promise<UpResult | undefined> {
  const { store, logger, redactor, clock } = context;
  const { workspaceId: id, id: operationId } = operation;
  const host = context.host.require();
  await store.db.transaction((tx) => endOpenBuilds(tx, operationId, "cancelled"));
  if (run.signal.aborted) {
    await takeBack(host, operation);
    report({ kind: "not-started", isRunning: await isAgentRunning(host, id) });
    run.signal.throwIfAborted();
  }
  const builds = createBuildLogWriter({ db: store.db, operation, redactor, clock, logger });
  try {
    const result = await start(context, host, operation, {
      signal: run.signal,
      onEvent(event) {
        builds.onEvent(event);
        run.onEvent(event);
      },
    });
    if (result === undefined) return undefined;
    await builds.close({
      state: "succeeded",
      imageRef: result.image.ref,
      revision: result.image.revision,
    });
    report({
      kind: "started",
      result,
      provenance: await findProvenance(context, host, result.image.imageId),
      verdict: verdictOfStart(result, clock),
    });
    return result;
  } catch (error) {
    await builds.close({ state: run.signal.aborted ? "cancelled" : "failed" });
    const isRunning = await isAgentRunning(host, id).catch(() => false);
    report({ kind: "not-started", isRunning, verdict: verdictOfRefusal(error, clock) });
    run.signal.throwIfAborted();
    const failure = toSafeFailure(error);
    if (failure !== error) {
      logger.error({ err: error, operationId, workspaceId: id }, "a workspace was not started");
    }
    throw failure;
  }
}

/** A workspace runs without it too. */
async function findProvenance(
  { logger }: RunnerContext,
  host: Host,
  imageId: string,
): Promise<ProvenanceView | undefined> {
  try {
    const provenance = await host.provenanceOf(imageId);
    return provenance && toProvenanceView(provenance);
  } catch (error) {
    logger.warn({ err: error, imageId }, "the provenance of an image cannot be read");
    return undefined;
  }
}

async function start(
  context: RunnerContext,
  host: Host,
  operation: OperationRow,
  run: RunContext,
): Promise<UpResult | undefined> {
  const { store } = context;
  const { workspaceId: id, kind } = operation;
  const params = operationParams.parse(operation.params);
  const row = await findWorkspaceRow(store.db, id);
  if (row === undefined || row.status === "removed") throw gone(id);
  if (row.runtime === "external") return undefined;
  if (row.provisionStartedAt === null) {
    // By the clock of the database, with which its age is told.
    await patchWorkspace(store.db, id, { provisionStartedAt: sql`clock_timestamp()` });
  }
  const { spec, request } = await gatherSpec(context, row, params);
  const keepImage = kind !== "provision" && params.upgrade !== true;
  const lastImage = keepImage ? await findLastImage(host, row, run.signal) : undefined;
  const authToken = await issueToken(context, operation);
  if (params.reset === true) {
    // Sessions are forgotten only where nothing uses them.
    await host.backend.remove(id, { keepVolumes: true, signal: run.signal });
  }
  return host.provisioner.up(
    { ...spec, authToken },
    {
      ...run,
      ...request,
      replace: true,
      // The lease says that nobody else works on it.
      takeOver: true,
      keepImage,
      lastImage,
    },
  );
}

/** The token of this attempt; those of the container that runs now stay until this one has proved itself. */
async function issueToken(context: RunnerContext, operation: OperationRow): Promise<string> {
  const { workspaceId, id: operationId } = operation;
  const { token } = await context.store.db.transaction(async (tx) => {
    const [row] = await tx
      .select({ status: workspaces.status })
      .from(workspaces)
      .where(eq(workspaces.id, workspaceId))
      .for("share");
    if (row === undefined || row.status === "removed") throw gone(workspaceId);
    const owner = { workspaceId, operationId, createdBy: "system:worker" };
    return context.tokens.issue(tx, owner);
  });
  context.redactor.add(token);
  return token;
}

/** What a process that died in the middle left of a start that is not wanted any more. */
async function takeBack(host: Host, { workspaceId: id, kind }: OperationRow): Promise<void> {
  const signal = AbortSignal.timeout(TAKE_BACK_MS);
  await host.backend.settle(id, { takeOver: true, signal });
  if (kind !== "restart") return;
  const left = await host.backend.inspect(id, { signal });
  // It ran before, and was stopped only to be replaced.
  if (left?.status === "exited") await host.backend.resume(id, { signal });
}

const TAKE_BACK_MS = 60_000;
const LOOK_MS = 10_000;

async function isAgentRunning(host: Host, id: string): Promise<boolean> {
  const found = await host.backend.inspect(id, { signal: AbortSignal.timeout(LOOK_MS) });
  return found?.status === "running";
}

function gone(id: string): ServerError {
  return new ServerError("ERR_NOT_FOUND", `Workspace ${id} was removed.`, {
    hint: "Create another one.",
  });
}
