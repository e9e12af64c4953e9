import type { JsonObject } from "@molecule-ai/core";
import type { OperationKind } from "../state/operation-state.js";
import type { OperationRow, RequestedOperation } from "./operation.js";

/** Kinds after which an agent runs; the others only stop it. */
const STARTING: ReadonlySet<OperationKind> = new Set(["provision", "restart", "resume"]);

/** True for a kind after which an agent runs: it may build and pull, and takes long. */
export function startsAgent(kind: OperationKind): boolean {
  return STARTING.has(kind);
}

/** The unfinished operations of one workspace, as they are while its row is locked. */
export interface UnfinishedOperations {
  /** Queued or running. */
  readonly open: OperationRow | undefined;
  readonly waiting: OperationRow | undefined;
}

export type RequestPlan =
  | {
      readonly kind: "join";
      readonly operation: OperationRow;
      /** The params it has from now on. */
      readonly params: JsonObject;
    }
  | {
      readonly kind: "insert";
      readonly outcome: Exclude<RequestedOperation["outcome"], "joined">;
      readonly state: "queued" | "waiting";
      readonly params: JsonObject;
      /** Ended at once, because they do not run. */
      readonly cancel: readonly OperationRow[];
      /** Runs, and is asked to stop. */
      readonly abort: OperationRow | undefined;
    };

/**
 * Decides how a request meets what is unfinished. What was asked for last is what counts, so it is
 * compared with the follow-up when there is one; a removal is never followed by anything else.
 */
export function planRequest(
  { open, waiting }: UnfinishedOperations,
  request: { readonly kind: OperationKind; readonly params: JsonObject },
): RequestPlan {
  const last = waiting ?? open;
  if (last === undefined) {
    return insert("created", "queued", request.params);
  }
  if (last.kind === request.kind) {
    const isUnderWay = last.state === "running";
    const params = { ...last.params, ...request.params };
    if (!isUnderWay || (last.kind === "remove" && isSame(params, last.params))) {
      return { kind: "join", operation: last, params };
    }
    return insert("follows", "waiting", request.params);
  }
  if (last.kind === "remove") return { kind: "join", operation: last, params: last.params };

  const isRunning = open?.state === "running";
  return insert(
    "supersedes",
    isRunning ? "waiting" : "queued",
    { ...inheritedParams([open, waiting], request.kind), ...request.params },
    [waiting, isRunning ? undefined : open].filter((row) => row !== undefined),
    isRunning ? open : undefined,
  );
}

function insert(
  outcome: Exclude<RequestedOperation["outcome"], "joined">,
  state: "queued" | "waiting",
  params: JsonObject,
  cancel: readonly OperationRow[] = [],
  abort?: OperationRow,
): RequestPlan {
  return { kind: "insert", outcome, state, params, cancel, abort };
}

/** A start that takes the place of another start does what that one was told, too. */
function inheritedParams(
  superseded: readonly (OperationRow | undefined)[],
  kind: OperationKind,
): JsonObject {
  if (!startsAgent(kind)) return {};
  const inherited: JsonObject = {};
  for (const row of superseded) {
    if (row === undefined || !startsAgent(row.kind) || row.cancelRequestedAt !== null) continue;
    Object.assign(inherited, row.params);
  }
  return inherited;
}

function isSame(a: JsonObject, b: JsonObject): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
}
