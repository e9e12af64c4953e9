import { ProvisionerError } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { describeFailedCommand } from "./failure.js";

const CONTEXT = {
  undone: ["volume x"],
  buildLines: ["from the build"],
  redact: (text: string) => text.replaceAll("hunter2", "***"),
};

describe("describeFailedCommand", () => {
  it("shows message, hint, causes and last lines, redacted", () => {
    const root = new Error("root hunter2");
    const middle = new Error("middle", { cause: root });
    const error = new ProvisionerError("ERR_BUILD_FAILED", "failed for hunter2", {
      hint: "not hunter2",
      details: { lastLines: ["one hunter2", "two"] },
      cause: middle,
    });
    expect(describeFailedCommand(error, CONTEXT)).toMatchObject({
      error: { message: "failed for ***", hint: "not ***" },
      exitCode: 1,
      causes: ["middle", "root ***"],
      lastLines: ["one ***", "two"],
      undone: ["volume x"],
    });
  });
  it("takes the build's last lines when the error has none, and logTail where it is called so", () => {
    const plain = new ProvisionerError("ERR_BUILD_FAILED", "failed");
    expect(describeFailedCommand(plain, CONTEXT).lastLines).toEqual(["from the build"]);
    const exited = new ProvisionerError("ERR_WORKSPACE_EXITED", "exited", {
      details: { logTail: ["traceback"] },
    });
    expect(describeFailedCommand(exited, CONTEXT).lastLines).toEqual(["traceback"]);
  });
  it("does not repeat a cause that the message already contains", () => {
    const error = new ProvisionerError("ERR_ENGINE_SERVER", "call: disk is full", {
      cause: new Error("disk is full"),
    });
    expect(describeFailedCommand(error, CONTEXT).causes).toEqual([]);
  });
  it("survives causes that are circles, strings and very long chains", () => {
    const circle = new Error("a");
    circle.cause = circle;
    expect(describeFailedCommand(circle, CONTEXT).causes).toEqual([]);
    expect(describeFailedCommand("a string", CONTEXT).error.code).toBe("ERR_INTERNAL");
    let chain = new Error("0");
    for (let index = 1; index < 50; index += 1) chain = new Error(`${index}!`, { cause: chain });
    expect(describeFailedCommand(chain, CONTEXT).causes.length).toBeLessThanOrEqual(4);
  });
  it("keeps the last twenty lines", () => {
    const lines = Array.from({ length: 50 }, (_, index) => String(index));
    const error = new ProvisionerError("ERR_BUILD_FAILED", "x", { details: { lastLines: lines } });
    expect(describeFailedCommand(error, CONTEXT).lastLines).toEqual(lines.slice(30));
  });
});
