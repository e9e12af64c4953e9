import { describe, expect, it } from "vitest";
import { isTargetAllowed } from "./conditions.js";

const policies = { branches: { main: "^main$" }, gitTags: { stable: "^v\\d+$" } };

describe("the conditions of a target", () => {
  it.each([
    [["!main"], "dev", true],
    [["!main"], "main", false],
    [["main", "!re:^main$"], "main", false],
    [["release/("], "release/(", true],
    [["release/("], "release/1", false],
    [["toString"], "anything", false],
    [["a"], "a".repeat(2000), false],
  ])("%j for the branch %s: %s", (branches, branch, expected) => {
    expect(isTargetAllowed({ conditions: { branches }, policies, branch })).toBe(expected);
  });

  it("hold only together, and one on tags needs a tag", () => {
    const conditions = { branches: ["main"], gitTags: ["stable"] };
    const allowed = (branch: string, gitTag?: string): boolean =>
      isTargetAllowed({ conditions, policies, branch, gitTag });
    expect([
      allowed("main", "v1"),
      allowed("dev", "v1"),
      allowed("main", "x"),
      allowed("main"),
    ]).toEqual([true, false, false, false]);
  });
});
