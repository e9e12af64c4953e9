import oracle from "@balena/dockerignore";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDockerignore } from "./dockerignore.js";

const ignored = (text: string, path: string): boolean => parseDockerignore(text).ignores(path);

describe("parseDockerignore", () => {
  it.each([
    ["node_modules", "node_modules", true],
    ["node_modules", "node_modules/a/b.js", true],
    ["node_modules", "src/node_modules", false],
    ["**/node_modules", "src/deep/node_modules/x", true],
    ["**/node_modules", "node_modules", true],
    ["*.md", "README.md", true],
    ["*.md", "docs/README.md", false],
    ["**/*.md", "docs/README.md", true],
    ["docs/**", "docs/a/b", true],
    ["docs/**", "docs", false],
    ["/leading", "leading", true],
    ["./dot/../a", "a", true],
    ["trailing/", "trailing/file", true],
    ["a?c", "abc", true],
    ["a?c", "a/c", false],
    ["[a-c]x", "bx", true],
    ["[^a-c]x", "bx", false],
    ["[^a-c]x", "zx", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["*\n!keep", "keep", false],
    ["*\n!keep\nkeep", "keep", true],
    ["dir\n!dir/keep", "dir/keep", false],
    ["dir\n!dir/keep", "dir/other", true],
    ["# comment\n\n  \nx ", "x", true],
    ["a\r\nb\r\n", "b", true],
    ["README", "readme", false],
    ["notes (1).txt", "notes (1).txt", true],
    ["a+b", "a+b", true],
    ["a+b", "aab", false],
    ["*", "anything/at/all", true],
    ["x**y", "x/deep/y", true],
    ["**a", "b/a/c", true],
    ["x/**/y", "x/deep/er/y", true],
    ["x/**/y", "x/y", true],
  ])("%j leaves out %j: %s", (text, path, expected) => {
    expect(ignored(text, path)).toBe(expected);
  });

  it("knows whether something below an ignored directory may be wanted", () => {
    expect(parseDockerignore("a\nb").hasExceptions).toBe(false);
    expect(parseDockerignore("a\n!a/b").hasExceptions).toBe(true);
  });

  it.each(["[", "[]", "[a", "[a-]", "[-a]", "a\\", "!", "x\n[b-"])(
    "names the line of the malformed pattern %j",
    (text) => {
      expect(() => parseDockerignore(text)).toThrow(
        expect.objectContaining({
          code: "ERR_BUILD_DOCKERIGNORE",
          message: expect.stringContaining(`line ${text.split("\n").length} `) as string,
        }),
      );
    },
  );

  const part = fc.stringMatching(/^[a-c.$]{1,3}$/).filter((name) => !/^\.+$/.test(name));
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const patternPart = fc.oneof(
    part,
    // Not `**` glued to a name: the other implementation tries too few parents for it.
    fc.constantFrom("*", "**", "?", "a*", "*b", "a?c", "[a-b]", "[^c]", "*.c"),
  );
  const line = fc
    .tuple(
      fc.constantFrom("", "!", "/", "./", "# ", "! "),
      fc.array(patternPart, { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", "/", " ", "\r"),
    )
    .map(([before, parts, after]) => before + parts.join("/") + after);

  it("agrees with another implementation of Docker's rules", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), path, (lines, file) => {
        const text = lines.join("\n");
        expect(ignored(text, file)).toBe(
          oracle.default({ ignorecase: false }).add(text).ignores(file),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it("takes any text, and either reads it or refuses it by code", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (text, file) => {
        try {
          expect(typeof ignored(text, file)).toBe("boolean");
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_BUILD_DOCKERIGNORE" });
        }
      }),
    );
  });

  it("is not slowed down by patterns made to backtrack", () => {
    const deep = "a/".repeat(1000) + "b";
    expect(ignored(`${"**/".repeat(200)}a/**/c`, deep)).toBe(false);
    expect(ignored(`${"*a".repeat(100)}*x`, "a".repeat(255))).toBe(false);
  });
});
