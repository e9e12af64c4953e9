import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { originOf, readGitFacts } from "./git-facts.js";

let room: string;
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "molecule-git-facts-"));
});
afterEach(async () => {
  await rm(room, { recursive: true, force: true });
});

function git(directory: string, ...args: string[]): void {
  execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
    cwd: directory,
    stdio: "ignore",
  });
}

test("remote and branch of a checkout, also from a directory inside and from a worktree", async () => {
  const root = join(room, "checkout");
  await mkdir(join(root, "deep/er"), { recursive: true });
  git(root, "init", "-b", "feature/x");
  git(root, "remote", "add", "upstream", "https://example.com/other");
  git(root, "remote", "add", "origin", "git@example.com:o/r.git");
  git(root, "commit", "--allow-empty", "-m", "first");
  const facts = { remote: "git@example.com:o/r.git", branch: "feature/x", rootDirectory: root };
  expect(await readGitFacts(join(root, "deep/er"))).toEqual(facts);

  git(root, "worktree", "add", "-b", "other", join(room, "tree"));
  expect(await readGitFacts(join(room, "tree"))).toEqual({
    ...facts,
    branch: "other",
    rootDirectory: join(room, "tree"),
  });

  git(root, "checkout", "--detach");
  expect(await readGitFacts(root)).toEqual({ ...facts, branch: undefined });
});

test("no checkout, or a damaged one, says nothing", async () => {
  const nothing = { remote: undefined, branch: undefined };
  expect(await readGitFacts(room)).toMatchObject(nothing);
  await mkdir(join(room, ".git"));
  await writeFile(join(room, ".git", "HEAD"), Buffer.alloc(300 * 1024, "x"));
  await promisify(execFile)("mkfifo", [join(room, ".git", "config")]);
  expect(await readGitFacts(room)).toEqual({ ...nothing, rootDirectory: room });
});

test("any configuration is read without throwing, and a long one quickly", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      originOf(text);
      originOf(`[remote "origin"]\n\turl = ${text}`);
    }),
  );
  const started = performance.now();
  originOf(`[remote ${" ".repeat(1e6)}`);
  originOf(`[remote "origin"]\nurl=${'"'.repeat(1e6)}`);
  expect(performance.now() - started).toBeLessThan(15_000);
});
