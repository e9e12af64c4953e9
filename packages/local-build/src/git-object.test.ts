import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashObject, hashTree, isFullSha, readCommit, type TreeEntry } from "./git-object.js";

const run = promisify(execFile);
let repository: string;
beforeAll(async () => {
  repository = await mkdtemp(join(tmpdir(), "git-object-"));
  await run("git", ["init", "-q", "--bare", repository]);
});
afterAll(() => rm(repository, { recursive: true, force: true }));

async function git(args: string[], input: Buffer): Promise<Buffer> {
  const child = spawn("git", ["-C", repository, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(input);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("object ids", () => {
  test("a blob has the id git gives it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const body = Buffer.from(bytes);
        const expected = (await git(["hash-object", "--stdin"], body)).toString().trim();
        expect(hashObject("sha1", "blob", body)).toBe(expected);
      }),
      { numRuns: 25 },
    );
  });

  test("a directory has the id git gives it, for any names, modes and order", async () => {
    const blob = hashObject("sha1", "blob", Buffer.from("x"));
    const empty = hashTree("sha1", []);
    await git(["hash-object", "-w", "--stdin"], Buffer.from("x"));
    await git(["mktree"], Buffer.alloc(0));
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 47 ? 45 : byte))))
      .filter((bytes) => !/^\.{1,2}$|^\.git$/i.test(bytes.toString("latin1")));
    const mode = fc.constantFrom<TreeEntry["mode"]>("100644", "100755", "120000", "40000");
    const entries = fc.uniqueArray(fc.record({ name, mode }), {
      selector: (entry) => entry.name.toString("latin1"),
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(entries, async (list) => {
        const tree = list.map<TreeEntry>((entry) => ({
          ...entry,
          id: entry.mode === "40000" ? empty : blob,
        }));
        const input = Buffer.concat(
          tree.map((entry) =>
            Buffer.concat([
              Buffer.from(
                `${entry.mode.padStart(6, "0")} ${entry.mode === "40000" ? "tree" : "blob"} ${entry.id}\t`,
              ),
              entry.name,
              Buffer.from([0]),
            ]),
          ),
        );
        const expected = (await git(["mktree", "-z"], input)).toString().trim();
        expect(hashTree("sha1", tree)).toBe(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("names of a shared beginning sort as git sorts them: a directory ends in a slash", () => {
    const id = "0".repeat(40);
    const entries: TreeEntry[] = ["a.b", "a", "a0"].map((name) => ({
      mode: name === "a" ? "40000" : "100644",
      name: Buffer.from(name),
      id,
    }));
    expect(hashTree("sha1", entries)).toBe(hashTree("sha1", entries.toReversed()));
  });
});

describe("commits", () => {
  const body = Buffer.from(
    `tree ${"a".repeat(40)}\nauthor A <a@b> 1 +0000\ncommitter C D <c@d> 1700000000 +0200\n\ncommitter x 5 +0000\ntree ${"b".repeat(40)}\n`,
  );

  test("tree and commit time come from the header, never from the message", () => {
    expect(readCommit(hashObject("sha1", "commit", body), body)).toEqual({
      tree: "a".repeat(40),
      committedAt: 1_700_000_000_000,
    });
  });

  test("bytes that do not hash to the id are not that commit", () => {
    expect(readCommit("c".repeat(40), body)).toBeUndefined();
  });

  test("a commit of a sha256 repository is read too", () => {
    expect(readCommit(hashObject("sha256", "commit", body), body)?.tree).toBe("a".repeat(40));
  });

  test("any bytes are read or refused, never a crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const raw = Buffer.from(bytes);
        expect(readCommit(hashObject("sha1", "commit", raw), raw)).toBeUndefined();
      }),
    );
  });
});

test("only complete lower-case ids are full", () => {
  expect(isFullSha("a".repeat(40))).toBe(true);
  expect(isFullSha("0".repeat(64))).toBe(true);
  for (const text of ["", "a".repeat(39), "a".repeat(41), "A".repeat(40), `${"a".repeat(40)}\n`]) {
    expect(isFullSha(text)).toBe(false);
  }
});
