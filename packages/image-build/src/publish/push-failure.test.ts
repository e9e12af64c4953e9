import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  classifyPushFailure,
  classifyUnnamedFailure,
  describePushFailure,
  isHarborProjectMissing,
} from "./push-failure.js";

describe("classifyPushFailure", () => {
  it.each([
    ["denied: requested access to the resource is denied", "permission denied (credentials)"],
    ["403 Forbidden", "permission denied (credentials)"],
    ["name unknown: repository not found", "repository not found (registry)"],
    ["context deadline exceeded", "connection timed out (network)"],
    ["toomanyrequests: slow down", "rate limited (registry)"],
    ["received unexpected HTTP status: 503 Service Unavailable", "HTTP 503 (registry)"],
    ["dial tcp 10.0.0.1:443: connect: connection refused", "connection lost (network)"],
    ["write: no space left on device", "no space left (registry)"],
    ["read tcp 127.0.0.1:1->127.0.0.1:2: read: protocol error", "connection lost (network)"],
    ["http: server closed idle connection", "connection lost (network)"],
    // Numbers inside digests and ports are no statuses.
    [`blob sha256:${"401403404".repeat(8)} vanished`, "push failed"],
    ["r.io:4401 said nothing", "push failed"],
    ["", "push failed"],
  ])("%s: %s", (text, expected) => {
    expect(describePushFailure(classifyPushFailure(text))).toBe(expected);
  });

  it("takes a registry that answers no other question either for one that is away", () => {
    const of = (text: string, status?: number): string =>
      describePushFailure(classifyUnnamedFailure(text, status));
    expect(of("blob upload went wrong", 500)).toBe("registry does not answer (network)");
    expect(of("blob upload went wrong", 200)).toBe("push failed");
    expect(of("blob upload went wrong")).toBe("push failed");
    expect(of("denied", 500)).toBe("permission denied (credentials)");
  });

  it("says something of every text, soon", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(describePushFailure(classifyPushFailure(text))).not.toBe("");
        isHarborProjectMissing(["harbor"], text);
      }),
    );
    const started = performance.now();
    for (const piece of ["4", "a ", "connection ", "too many"]) {
      classifyPushFailure(piece.repeat(500_000));
    }
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
