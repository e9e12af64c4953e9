import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { giteaError } from "../test/gitea-error.js";
import {
  parseBranch,
  parseCommit,
  parseDefaultBranch,
  parseTag,
  parseTree,
  parseVersion,
} from "./answers.js";

const SUBJECT = "branch main of https://git.example/o/n";
const SHA = "0123456789abcdef0123456789abcdef01234567";

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });

describe("parseBranch", () => {
  it("finds the commit whatever else is in the answer, before it or around it", () => {
    fc.assert(
      fc.property(
        fc.oneof(hex(40), hex(64)),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom(undefined, 2, "\t"),
        (sha, rest, indent) => {
          const text = JSON.stringify(
            { id: "f".repeat(40), ...rest, commit: { author: { id: "e".repeat(40) }, id: sha } },
            undefined,
            indent,
          );
          expect(parseBranch(JSON.parse(text), SUBJECT).sha).toBe(sha);
        },
      ),
    );
  });

  it("gives digits in lower case and the time in milliseconds", () => {
    const commit = { id: SHA.toUpperCase(), timestamp: "2026-01-02T03:04:05+01:00" };
    expect(parseBranch({ commit }, SUBJECT)).toEqual({
      sha: SHA,
      committedAt: Date.UTC(2026, 0, 2, 2, 4, 5),
    });
  });

  it.each([undefined, null, 7, "", "yesterday", "0001-01-01T00:00:00Z"])(
    "knows no time for the timestamp %j",
    (timestamp) => {
      const parsed = parseBranch({ commit: { id: SHA, timestamp } }, SUBJECT);
      expect(parsed).toEqual({ sha: SHA, committedAt: undefined });
    },
  );

  it("tells a missing id from one that is too short or not hexadecimal", () => {
    for (const value of [{}, { commit: null }, { commit: {} }, { commit: { id: 5 } }, null, []]) {
      expect(() => parseBranch(value, SUBJECT)).toThrow(giteaError("ERR_GITEA_SHA_MISSING"));
    }
    for (const id of [
      "",
      "abcde",
      SHA.slice(0, 11),
      SHA.slice(1),
      `${SHA}0`,
      `z${SHA.slice(1)}`,
      ` ${SHA}`,
      `${SHA}\n`,
    ]) {
      expect(() => parseBranch({ commit: { id } }, SUBJECT)).toThrow(
        giteaError("ERR_GITEA_SHA_INVALID"),
      );
    }
  });

  it("gives a full commit or an error of its own for any JSON", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ commit: fc.record({ id: fc.jsonValue() }) })),
        (value) => {
          try {
            expect(parseBranch(value, SUBJECT).sha).toMatch(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);
          } catch (error) {
            expect(error).toEqual(
              expect.objectContaining({
                code: expect.stringMatching(/^ERR_GITEA_SHA_(MISSING|INVALID)$/),
              }),
            );
          }
        },
      ),
    );
  });
});

describe("the other answers", () => {
  it("give the commit of a tag, not the id of an annotated tag", () => {
    expect(parseTag({ id: "f".repeat(40), commit: { sha: SHA } }, SUBJECT)).toBe(SHA);
    expect(() => parseTag({ id: SHA }, SUBJECT)).toThrow(giteaError("ERR_GITEA_SHA_MISSING"));
  });

  it("give a commit, its time and its tree", () => {
    const answer = {
      sha: SHA,
      commit: { author: { date: "2026-01-02T03:04:05Z" }, tree: { sha: "a".repeat(40) } },
    };
    expect(parseCommit(answer, SUBJECT)).toEqual({
      sha: SHA,
      committedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    });
    expect(parseTree(answer, SUBJECT)).toBe("a".repeat(40));
    expect(parseTree({ sha: SHA }, SUBJECT)).toBeUndefined();
  });

  it("give default branch and version, or say that there is none", () => {
    expect(parseDefaultBranch({ default_branch: "trunk" }, SUBJECT)).toBe("trunk");
    expect(parseVersion({ version: "1.24.6" }, SUBJECT)).toBe("1.24.6");
    for (const parse of [parseDefaultBranch, parseVersion]) {
      expect(() => parse({}, SUBJECT)).toThrow(giteaError("ERR_GITEA_ANSWER_INVALID"));
    }
  });
});
