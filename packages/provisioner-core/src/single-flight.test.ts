import { describe, expect, it } from "vitest";
import { createSingleFlight } from "./single-flight.js";

/** Work that ends when told to, and notices an abort. */
function heldWork(): {
  readonly work: (signal: AbortSignal) => Promise<string>;
  finish(): void;
  readonly runs: () => number;
  readonly aborted: () => boolean;
} {
  let runs = 0;
  let finish = (): void => undefined;
  let aborted = false;
  return {
    work: (signal) =>
      new Promise((resolve, reject) => {
        runs += 1;
        finish = () => resolve("done");
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(signal.reason as Error);
        });
      }),
    finish: () => finish(),
    runs: () => runs,
    aborted: () => aborted,
  };
}

describe("single flight", () => {
  it("shares one piece of work between callers of one key, and tells the later ones", async () => {
    const flights = createSingleFlight<string>();
    const held = heldWork();
    const joins: string[] = [];
    const first = flights.run("a", held.work, { onJoin: () => joins.push("first") });
    const second = flights.run("a", held.work, { onJoin: () => joins.push("second") });
    held.finish();
    expect(await Promise.all([first, second])).toEqual(["done", "done"]);
    expect([held.runs(), joins]).toEqual([1, ["second"]]);
    const third = flights.run("a", held.work);
    held.finish();
    await third;
    expect(held.runs()).toBe(2);
  });

  it("lets one caller go without harm to the other", async () => {
    const flights = createSingleFlight<string>();
    const held = heldWork();
    const controller = new AbortController();
    const reason = new Error("enough");
    const leaving = flights.run("a", held.work, { signal: controller.signal });
    const staying = flights.run("a", held.work);
    controller.abort(reason);
    await expect(leaving).rejects.toBe(reason);
    expect(held.aborted()).toBe(false);
    held.finish();
    expect(await staying).toBe("done");
  });

  it("stops the work when the last caller has gone", async () => {
    const flights = createSingleFlight<string>();
    const held = heldWork();
    const controllers = [new AbortController(), new AbortController()];
    const runs = controllers.map(({ signal }) => flights.run("a", held.work, { signal }));
    const settled = Promise.allSettled(runs);
    for (const controller of controllers) controller.abort(new Error("enough"));
    expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(held.aborted()).toBe(true);
    const again = heldWork();
    const next = flights.run("a", again.work);
    again.finish();
    expect(await next).toBe("done");
  });

  it("gives every caller the failure", async () => {
    const flights = createSingleFlight<string>();
    const failing = (): Promise<string> => Promise.reject(new Error("broken"));
    const runs = [flights.run("a", failing), flights.run("a", failing)];
    for (const { status } of await Promise.allSettled(runs)) expect(status).toBe("rejected");
  });
});
