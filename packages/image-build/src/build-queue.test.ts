import { describe, expect, it } from "vitest";
import { createBuildQueue } from "./build-queue.js";

const never = new AbortController().signal;
const ignore = (): void => undefined;

describe("the queue of builds", () => {
  it("lets as many run as allowed, each builder by itself, and tells those that wait", async () => {
    const queue = createBuildQueue(1);
    const first = await queue.enter("a", { signal: never, onWait: ignore });
    const other = await queue.enter("b", { signal: never, onWait: ignore });
    expect([first.waited, other.waited]).toEqual([false, false]);
    let waits = 0;
    let entered = false;
    const second = queue.enter("a", { signal: never, onWait: () => (waits += 1) });
    void second.then(() => (entered = true));
    await new Promise(setImmediate);
    expect([waits, entered]).toEqual([1, false]);
    first[Symbol.dispose]();
    expect((await second).waited).toBe(true);
  });

  it("gives the place of one that was aborted to the next, and that one rejects at once", async () => {
    const queue = createBuildQueue(1);
    const first = await queue.enter("a", { signal: never, onWait: ignore });
    const controller = new AbortController();
    const second = queue.enter("a", { signal: controller.signal, onWait: ignore });
    const third = queue.enter("a", { signal: never, onWait: ignore });
    const reason = new Error("no more");
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    first[Symbol.dispose]();
    expect((await third).waited).toBe(true);
    await expect(queue.enter("a", { signal: controller.signal, onWait: ignore })).rejects.toBe(
      reason,
    );
  });
});
