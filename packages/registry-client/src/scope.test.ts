import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coversScopes, formatScope, mergeScopes, parseScopes, repositoryScope } from "./scope.js";

describe("scopes", () => {
  it("are merged by what they are about", () => {
    const merged = mergeScopes([
      repositoryScope("b", "push"),
      repositoryScope("a", "pull"),
      ...parseScopes("repository:b:pull,push registry:catalog:*"),
    ]);
    expect(merged.map(formatScope)).toEqual([
      "registry:catalog:*",
      "repository:a:pull",
      "repository:b:pull,push",
    ]);
  });

  it("cover what they allow, and nothing else", () => {
    const granted = parseScopes("repository:a:pull,push");
    expect(coversScopes(granted, [repositoryScope("a", "pull")])).toBe(true);
    expect(coversScopes(granted, [repositoryScope("a", "delete")])).toBe(false);
    expect(coversScopes(granted, [repositoryScope("a/b", "pull")])).toBe(false);
    expect(coversScopes([], [])).toBe(true);
  });

  it("are read from any text, and few of them", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const scope of parseScopes(text)) {
          expect(parseScopes(formatScope(scope))).toEqual([scope]);
        }
      }),
    );
    expect(parseScopes("a:b ".repeat(1000)).length).toBeLessThan(20);
  });
});
