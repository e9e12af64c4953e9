import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseReferencePattern } from "./reference-pattern.js";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseReferencePattern", () => {
  it.each([
    ["prod/*", "prod/app:1", true],
    ["prod/*", "prod/app", true],
    ["prod/*", "prod/team/app:1", false],
    ["prod/**", "prod/app:1", true],
    ["prod/**", "prod/team/app:1", false],
    ["prod/*:1.*", "prod/app:1.2", true],
    ["prod/*:1.*", "prod/app:2.0", false],
    ["*", "alpine:3", true],
    ["*", "prod/app:1", false],
    ["*/*/*", "registry.example.com/team/app:1", true],
    ["alpine", "alpine:3", true],
    ["alpine:3", "alpine:3", true],
    ["alpine:3", "alpine:3.1", false],
    ["docker.io/library/*", "alpine:3", true],
    ["docker.io/team/app:1", "team/app:1", true],
    ["registry.example.com:5000/base:*", "registry.example.com:5000/base:v1", true],
    ["registry.example.com/base", `registry.example.com/base@${digest}`, true],
    ["base?", "base1:x", true],
    ["base[0-9]", "base7:x", true],
    ["base[^0-9]", "base7:x", false],
    ["no\\*star", "nostar:1", false],
    ["app", "registry.example.com/app:1", false],
  ])("%s for %s: %s", (pattern, name, expected) => {
    expect(parseReferencePattern(pattern)(name)).toBe(expected);
  });

  it.each(["", "base[", "base[]", "end\\", "x".repeat(513)])("%j is refused", (pattern) => {
    expect(() => parseReferencePattern(pattern)).toThrow(
      expect.objectContaining({ code: "ERR_BUILD_SETTINGS" }),
    );
  });

  it("takes every name for itself", () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), part, (parts, tag) => {
        const name = `${parts.join("/")}:${tag}`;
        expect(parseReferencePattern(name)(name)).toBe(true);
        expect(parseReferencePattern(parts.map(() => "*").join("/"))(name)).toBe(true);
      }),
    );
  });

  it("answers or refuses whatever it is given, and soon", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 600 }), fc.string({ maxLength: 600 }), (pattern, name) => {
        try {
          expect(typeof parseReferencePattern(pattern)(name)).toBe("boolean");
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_BUILD_SETTINGS" });
        }
      }),
    );
    const started = performance.now();
    expect(parseReferencePattern("*a".repeat(256))(`${"a".repeat(5_000)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
