import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { giteaError } from "../test/gitea-error.js";
import { isCommit, parseRef } from "./ref.js";

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom(..."0123456789abcdefABCDEF"),
    minLength: length,
    maxLength: length,
  });

describe("parseRef", () => {
  it("takes 40 and 64 hex digits for a commit, in lower case", () => {
    fc.assert(
      fc.property(fc.oneof(hex(40), hex(64)), (sha) => {
        expect(parseRef(sha)).toEqual({ kind: "commit", sha: sha.toLowerCase() });
      }),
    );
  });

  it("takes any other number of digits for a name", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }).chain(hex), (text) => {
        fc.pre(text.length !== 40 && text.length !== 64);
        expect(isCommit(text)).toBe(false);
        expect(parseRef(text)).toEqual({ kind: "any", name: text });
      }),
    );
  });

  it("lets a full ref name choose between branch and tag", () => {
    expect(parseRef("refs/heads/feature/x")).toEqual({ kind: "branch", name: "feature/x" });
    expect(parseRef("refs/tags/v1.0")).toEqual({ kind: "tag", name: "v1.0" });
    expect(parseRef("v1.0")).toEqual({ kind: "any", name: "v1.0" });
  });

  it.each([
    "",
    "-x",
    "a..b",
    "../main",
    "a/../b",
    "/a",
    "a/",
    "a//b",
    ".a",
    "a b",
    "a\nb",
    "a^0",
    "a~1",
    "a:b",
    "a@{1}",
    "a*",
    "a".repeat(256),
    "refs/heads/",
  ])("refuses %j", (ref) => {
    expect(() => parseRef(ref)).toThrow(giteaError("ERR_GITEA_REF_INVALID"));
  });

  it("accepts no text that a URL parser would take for a way out of its folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab./\\%2e~-\n") }), (text) => {
        let name: string;
        try {
          const lookup = parseRef(text);
          name = lookup.kind === "commit" ? lookup.sha : lookup.name;
        } catch {
          return;
        }
        const path = name.split("/").map(encodeURIComponent).join("/");
        const url = new URL(`https://h/a/b/${path}`);
        expect(url.pathname).toBe(`/a/b/${path}`);
      }),
    );
  });
});
