import type { ProvisionEvent } from "./events.js";
import { describe, expect, test } from "vitest";
import { SharedWork, type WorkContext } from "./shared-work.js";

interface Step {
  readonly context: WorkContext;
  finish(value: string): void;
  fail(error: Error): void;
}

/** Work that stops when the test says so, or when it is aborted. */
function steppable(): {
  work: (context: WorkContext) => Promise<string>;
  runs: Step[];
  /** Turns true when aborted work has stopped. */
  state: { stopped: boolean };
} {
  const runs: Step[] = [];
  const state = { stopped: false };
  return {
    runs,
    state,
    work: (context) =>
      new Promise((resolve, reject) => {
        runs.push({ context, finish: resolve, fail: reject });
        context.signal.addEventListener("abort", () => {
          setTimeout(() => {
            state.stopped = true;
            reject(context.signal.reason as Error);
          }, 5);
        });
      }),
  };
}

const started: ProvisionEvent = { type: "stage.started", stage: "build", subject: "x" };
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("callers with the same key", () => {
  test("share one run, its result and its events; the later one hears what is going on", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const first: ProvisionEvent[] = [];
    const second: ProvisionEvent[] = [];
    const a = shared.run("k", { subject: "s", onEvent: (event) => first.push(event) }, work);
    await tick();
    runs[0]?.context.onEvent(started);
    const b = shared.run("k", { subject: "s", onEvent: (event) => second.push(event) }, work);
    const log: ProvisionEvent = { type: "undone", what: "x" };
    runs[0]?.context.onEvent(log);
    runs[0]?.finish("done");
    expect(await Promise.all([a, b])).toEqual(["done", "done"]);
    expect(runs).toHaveLength(1);
    expect(first).toEqual([started, log]);
    expect(second).toEqual([{ type: "joined", subject: "s", scope: "process" }, started, log]);
  });

  test("with the same sink both hear every event", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const events: ProvisionEvent[] = [];
    const onEvent = (event: ProvisionEvent): void => void events.push(event);
    const all = [1, 2].map(() => shared.run("k", { subject: "s", onEvent }, work));
    await tick();
    runs[0]?.context.onEvent(started);
    runs[0]?.finish("");
    await Promise.all(all);
    expect(events.filter((event) => event === started)).toHaveLength(2);
  });

  test("share a failure, and the next one starts anew", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const all = [1, 2].map(() => shared.run("k", { subject: "s" }, work));
    await tick();
    const error = new Error("broken");
    runs[0]?.fail(error);
    for (const one of all) await expect(one).rejects.toBe(error);
    const again = shared.run("k", { subject: "s" }, work);
    await tick();
    runs[1]?.finish("ok");
    expect(await again).toBe("ok");
  });

  test("with other keys run side by side", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const all = ["a", "b"].map((key) => shared.run(key, { subject: key }, work));
    await tick();
    expect(runs).toHaveLength(2);
    for (const run of runs) run.finish("ok");
    await Promise.all(all);
  });
});

describe("an abort", () => {
  test("of one caller leaves the work to the other", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const controller = new AbortController();
    const reason = new Error("mine");
    const leaving = shared.run("k", { subject: "s", signal: controller.signal }, work);
    const staying = shared.run("k", { subject: "s" }, work);
    await tick();
    controller.abort(reason);
    await expect(leaving).rejects.toBe(reason);
    expect(runs[0]?.context.signal.aborted).toBe(false);
    runs[0]?.finish("ok");
    expect(await staying).toBe("ok");
  });

  test("of the last caller aborts the work, and is told when it has stopped", async () => {
    await using shared = new SharedWork<string>();
    const { work, state } = steppable();
    const controllers = [new AbortController(), new AbortController()];
    const all = controllers.map(({ signal }) => shared.run("k", { subject: "s", signal }, work));
    await tick();
    const reasons = [new Error("first"), new Error("last")];
    controllers[0]?.abort(reasons[0]);
    await expect(all[0]).rejects.toBe(reasons[0]);
    controllers[1]?.abort(reasons[1]);
    await expect(all[1]).rejects.toBe(reasons[1]);
    expect(state.stopped).toBe(true);
  });

  test("makes the next caller start anew while the aborted work still stops", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const controller = new AbortController();
    const first = shared.run("k", { subject: "s", signal: controller.signal }, work);
    await tick();
    controller.abort(new Error("enough"));
    const second = shared.run("k", { subject: "s" }, work);
    await tick();
    runs[1]?.finish("ok");
    expect(await second).toBe("ok");
    await expect(first).rejects.toThrow("enough");
  });

  test("before the call starts nothing", async () => {
    await using shared = new SharedWork<string>();
    const { work, runs } = steppable();
    const reason = new Error("early");
    const signal = AbortSignal.abort(reason);
    await expect(shared.run("k", { subject: "s", signal }, work)).rejects.toBe(reason);
    await tick();
    expect(runs).toEqual([]);
  });
});

test("disposing aborts everything, waits for it, and refuses what comes later", async () => {
  const shared = new SharedWork<string>();
  const { work } = steppable();
  const running = shared.run("k", { subject: "s" }, work);
  const outcome = running.catch((error: unknown) => error);
  await tick();
  await shared[Symbol.asyncDispose]();
  expect(await outcome).toMatchObject({ name: "AbortError" });
  await expect(shared.run("k", { subject: "s" }, work)).rejects.toThrow("closed");
  await shared[Symbol.asyncDispose]();
});
