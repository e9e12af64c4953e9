import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { localDigestOf } from "./local-digest.js";

const digest = `sha256:${"3".repeat(64)}`;

describe("localDigestOf", () => {
  it.each([
    ["docker.io/org/a:1", `org/a@${digest}`],
    ["docker.io/library/a:1", `a@${digest}`],
    ["a", `registry-1.docker.io/library/a@${digest}`],
    ["127.0.0.1:5000/x/a:1", `127.0.0.1:5000/x/a@${digest}`],
  ])("finds %s in %s", (reference, entry) => {
    expect(localDigestOf(reference, ["<none>@<none>", entry])).toBe(digest);
  });

  it.each([
    ["r.io/a:1", `r.io/b@${digest}`],
    ["r.io/a:1", `s.io/a@${digest}`],
    ["r.io/a:1", "r.io/a@md5:33"],
    ["r.io/a:1", "r.io/a"],
  ])("does not find %s in %s", (reference, entry) => {
    expect(localDigestOf(reference, [entry])).toBeUndefined();
  });

  it("never fails", () => {
    fc.assert(fc.property(fc.string(), fc.array(fc.string()), (a, b) => void localDigestOf(a, b)));
  });
});
