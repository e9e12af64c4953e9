import { describe, expect, it, vi } from "vitest";
import { createDeadline, DeadlineError } from "./deadline.js";

describe("createDeadline", () => {
  it("aborts with a DeadlineError after silence", () => {
    vi.useFakeTimers();
    using deadline = createDeadline({ what: "Building hello", timeoutMs: 1000 });
    vi.advanceTimersByTime(999);
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(deadline.signal.reason).toBeInstanceOf(DeadlineError);
    expect(deadline.signal.reason).toMatchObject({
      code: "ERR_DEADLINE",
      message: "Building hello made no progress for 1 s",
    });
    vi.useRealTimers();
  });

  it("is pushed back by progress", () => {
    vi.useFakeTimers();
    using deadline = createDeadline({ what: "x", timeoutMs: 1000 });
    for (let i = 0; i < 5; i += 1) {
      vi.advanceTimersByTime(900);
      deadline.progress();
    }
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1000);
    expect(deadline.signal.aborted).toBe(true);
    vi.useRealTimers();
  });

  it("says so when a total limit ran out", () => {
    vi.useFakeTimers();
    using deadline = createDeadline({ what: "Building hello", timeoutMs: 1000, kind: "total" });
    vi.advanceTimersByTime(1000);
    expect(deadline.signal.reason).toMatchObject({
      message: "Building hello took longer than 1 s",
    });
    vi.useRealTimers();
  });

  it("passes on the caller's abort with its reason, before and after creation", () => {
    const reason = new Error("stop");
    const controller = new AbortController();
    using late = createDeadline({ what: "x", timeoutMs: 60_000, signal: controller.signal });
    controller.abort(reason);
    expect(late.signal.reason).toBe(reason);
    using early = createDeadline({ what: "x", timeoutMs: 60_000, signal: controller.signal });
    expect(early.signal.reason).toBe(reason);
  });

  it("does nothing after it was disposed", () => {
    vi.useFakeTimers();
    const deadline = createDeadline({ what: "x", timeoutMs: 10 });
    deadline[Symbol.dispose]();
    vi.advanceTimersByTime(1000);
    expect(deadline.signal.aborted).toBe(false);
    vi.useRealTimers();
  });
});
