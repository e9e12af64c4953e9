import { ProvisionerError } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { formatChecks } from "../commands/doctor.js";
import { createStyle } from "../output/style.js";
import { ok } from "./check.js";
import { judgeClock } from "./clock.js";
import { judgeDisk } from "./disk.js";
import { runCheck } from "./run-check.js";

const GIB = 1024 ** 3;

describe("doctor", () => {
  it.each([
    [80 * GIB, "ok"],
    [5 * GIB, "ok"],
    [4 * GIB, "warning"],
    [GIB - 1, "failed"],
  ] as const)("%i free bytes are %s", (bytes, status) => {
    const check = judgeDisk(bytes, "so much");
    expect(check.status).toBe(status);
    expect(check.remedy === undefined).toBe(status === "ok");
  });

  it.each([
    [0, "ok"],
    [29_000, "ok"],
    [-45_000, "warning"],
    [301_000, "failed"],
    [-301_000, "failed"],
  ] as const)("a clock %i ms off is %s", (skew, status) => {
    const check = judgeClock([
      { who: "the engine", theirs: 1_000_000, ours: 1_000_000 },
      { who: "git.example", theirs: 1_000_000 + skew, ours: 1_000_000 },
    ]);
    expect(check.status).toBe(status);
    if (status !== "ok") {
      expect(check.message).toContain(skew > 0 ? "behind git.example" : "ahead of git.example");
    }
  });

  it("has nothing to say of the clock when nobody told the time", () => {
    expect(judgeClock([]).status).toBe("skipped");
  });

  it("makes a failed check of what a check throws, with code and remedy", async () => {
    const check = await runCheck("gitea", new AbortController().signal, () =>
      Promise.reject(new ProvisionerError("ERR_GITEA_UNREACHABLE", "down", { hint: "start it" })),
    );
    expect(check).toEqual({
      name: "gitea",
      status: "failed",
      message: "down",
      remedy: "start it",
      code: "ERR_GITEA_UNREACHABLE",
    });
  });

  it("is itself interrupted by the reader's own abort", async () => {
    const reason = new Error("enough");
    await expect(
      runCheck("x", AbortSignal.abort(reason), (signal) => {
        signal.throwIfAborted();
        return Promise.resolve(ok("x", ""));
      }),
    ).rejects.toBe(reason);
  });

  it("shows status, name, message and remedy", () => {
    const text = formatChecks(
      [
        ok("engine", "Docker 28"),
        { name: "disk", status: "failed", message: "full", remedy: "free some" },
      ],
      createStyle(false),
    );
    expect(text).toBe(
      ["ok       engine  Docker 28", "failed   disk    full", "                 free some"].join(
        "\n",
      ),
    );
  });
});
