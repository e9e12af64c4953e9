import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OPERATION_KINDS, type OperationKind } from "../state/operation-state.js";
import type { OperationRow } from "./operation.js";
import { planRequest, type UnfinishedOperations } from "./plan-request.js";

const row = (values: Partial<OperationRow>): OperationRow =>
  ({ id: "x", params: {}, cancelRequestedAt: null, ...values }) as OperationRow;

const kinds = fc.constantFrom(...OPERATION_KINDS);
const params = fc.dictionary(fc.constantFrom("template", "reset", "purge"), fc.boolean());
/** What one workspace may have unfinished. */
const unfinished: fc.Arbitrary<UnfinishedOperations> = fc
  .record({
    open: fc.option(
      fc.record({ kind: kinds, state: fc.constantFrom("queued", "running"), params }),
      { nil: undefined },
    ),
    waiting: fc.option(fc.record({ kind: kinds, params }), { nil: undefined }),
  })
  .map(({ open, waiting }) => ({
    open: open === undefined ? undefined : row({ id: "open", ...open } as Partial<OperationRow>),
    waiting:
      open === undefined || waiting === undefined
        ? undefined
        : row({ id: "waiting", state: "waiting", ...waiting }),
  }));

describe("a request", () => {
  it("never leaves more than one open and one waiting operation", () => {
    fc.assert(
      fc.property(unfinished, kinds, params, (before, kind, asked) => {
        const plan = planRequest(before, { kind, params: asked });
        if (plan.kind === "join") return;
        const left = [before.open, before.waiting].filter(
          (one) => one !== undefined && !plan.cancel.includes(one),
        );
        const states = [...left.map((one) => one?.state), plan.state];
        expect(states.filter((state) => state === "waiting").length).toBeLessThanOrEqual(1);
        expect(states.filter((state) => state !== "waiting")).toHaveLength(1);
      }),
    );
  });

  it("cancels nothing that runs, aborts nothing else, and neither of a removal", () => {
    fc.assert(
      fc.property(unfinished, kinds, params, (before, kind, asked) => {
        const plan = planRequest(before, { kind, params: asked });
        if (plan.kind === "join") return;
        expect(plan.cancel.map(({ state }) => state)).not.toContain("running");
        if (plan.abort !== undefined) expect(plan.abort.state).toBe("running");
        const last = before.waiting ?? before.open;
        if (last?.kind === "remove") expect(plan.cancel).toEqual([]);
      }),
    );
  });

  it("after a removal, is that removal", () => {
    fc.assert(
      fc.property(kinds, fc.constantFrom("queued", "running"), params, (kind, state, asked) => {
        const removal = row({ kind: "remove", state: state as "queued" });
        const plan = planRequest({ open: removal, waiting: undefined }, { kind, params: asked });
        if (kind !== "remove") {
          expect(plan).toEqual({ kind: "join", operation: removal, params: {} });
        } else if (plan.kind === "insert") {
          expect([plan.outcome, plan.abort, state]).toEqual(["follows", undefined, "running"]);
        }
      }),
    );
  });

  it("is carried by the operation it comes to, with all its params", () => {
    fc.assert(
      fc.property(unfinished, kinds, params, (before, kind, asked) => {
        const plan = planRequest(before, { kind, params: asked });
        const carrier: OperationKind = plan.kind === "join" ? plan.operation.kind : kind;
        if (carrier !== "remove" || kind === "remove") {
          expect(carrier).toBe(kind);
          expect(plan.params).toMatchObject(asked);
        }
      }),
    );
  });

  it("inherits nothing from a start that was cancelled before", () => {
    const open = row({
      kind: "restart",
      state: "running",
      params: { reset: true },
      cancelRequestedAt: new Date(),
    });
    const plan = planRequest({ open, waiting: undefined }, { kind: "resume", params: {} });
    expect(plan).toMatchObject({ outcome: "supersedes", params: {} });
  });
});
