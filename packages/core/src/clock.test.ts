import { expect, it } from "vitest";
import { systemClock } from "./clock.js";

it("sleep rejects with the reason of the signal, also when it was aborted before", async () => {
  const reason = new Error("stop");
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
});

it("sleep resolves and leaves no listener behind", async () => {
  const controller = new AbortController();
  await systemClock.sleep(1, controller.signal);
  controller.abort();
});
