import { appendFile } from "node:fs/promises";

import { encodeFastImport, type TestFiles } from "./git-files.js";
import { runGit } from "./git-process.js";

const NAME = "Molecule Testkit";
const EMAIL = "testkit@example.invalid";

/** Time of a first commit; each later one is a minute after its parent. */
const FIRST_COMMIT_SECONDS = Date.UTC(2026, 0, 1) / 1000;

/** A bare repository whose commits depend on nothing but their content and their order. */
export interface GitRepository {
  /** The bare repository on disk. */
  readonly directory: string;
  readonly defaultBranch: string;
  /**
   * Adds a commit and returns it. `files` are laid over the parent's files (`null` removes one), so
   * `{}` gives a new commit of the same tree. A new branch starts at the default branch.
   */
  commit(
    files: TestFiles,
    options?: { readonly branch?: string | undefined; readonly message?: string | undefined },
  ): Promise<string>;
  /** The commit a branch (default: the default branch) points to. Rejects when there is none. */
  head(branch?: string): Promise<string>;
  /** The tree of a commit. */
  tree(commit: string): Promise<string>;
  /** Tags a commit (default: the head); with `message` the tag is an annotated one. */
  tag(
    name: string,
    options?: { readonly commit?: string | undefined; readonly message?: string | undefined },
  ): Promise<void>;
  /** The id of the commit that a branch, tag or commit id names, or undefined. */
  resolve(revision: string): Promise<string | undefined>;
  /** The commit that a branch, tag or commit id names, or undefined. */
  describe(revision: string): Promise<CommitDescription | undefined>;
}

export interface CommitDescription {
  readonly sha: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly authorName: string;
  readonly authorEmail: string;
  /** RFC 3339. */
  readonly authoredAt: string;
  /** RFC 3339. */
  readonly committedAt: string;
  readonly message: string;
}

/** Makes an empty bare repository at `directory`. */
export async function createGitRepository(options: {
  readonly directory: string;
  readonly defaultBranch: string;
  readonly objectFormat?: "sha1" | "sha256" | undefined;
  /** Whether commits that no ref points to can be fetched with protocol versions 0 and 1. */
  readonly anyCommit: boolean;
}): Promise<GitRepository> {
  const { directory, defaultBranch } = options;
  await runGit([
    "init",
    "--quiet",
    "--bare",
    "--template=",
    `--initial-branch=${defaultBranch}`,
    `--object-format=${options.objectFormat ?? "sha1"}`,
    "--",
    directory,
  ]);
  await appendFile(
    `${directory}/config`,
    `[gc]\n\tauto = 0\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = ${options.anyCommit}\n`,
  );

  const inside = (args: readonly string[], input?: Uint8Array): Promise<string> =>
    runGit(["--git-dir", directory, ...args], {
      input,
      env: {
        GIT_AUTHOR_NAME: NAME,
        GIT_AUTHOR_EMAIL: EMAIL,
        GIT_AUTHOR_DATE: `${FIRST_COMMIT_SECONDS} +0000`,
        GIT_COMMITTER_NAME: NAME,
        GIT_COMMITTER_EMAIL: EMAIL,
        GIT_COMMITTER_DATE: `${FIRST_COMMIT_SECONDS} +0000`,
      },
    });
  const resolve = async (revision: string): Promise<string | undefined> => {
    try {
      return await inside([
        "rev-parse",
        "--quiet",
        "--verify",
        "--end-of-options",
        `${revision}^{commit}`,
      ]);
    } catch {
      return undefined;
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  const commit: GitRepository["commit"] = (files, { branch = defaultBranch, message } = {}) => {
    const next = last.then(async () => {
      const parent =
        (await resolve(`refs/heads/${branch}`)) ?? (await resolve(`refs/heads/${defaultBranch}`));
      const seconds =
        parent === undefined
          ? FIRST_COMMIT_SECONDS
          : Number(await inside(["show", "--no-patch", "--format=%ct", parent])) + 60;
      return inside(
        ["fast-import", "--quiet", "--done"],
        encodeFastImport({
          branch,
          parent,
          message: message ?? (parent === undefined ? "Initial commit" : "Update"),
          identity: `${NAME} <${EMAIL}>`,
          seconds,
          files,
        }),
      );
    });
    last = next.catch(() => {});
    return next;
  };

  return {
    directory,
    defaultBranch,
    commit,
    resolve,
    head: (branch = defaultBranch) => inside(["rev-parse", `refs/heads/${branch}^{commit}`]),
    tree: (sha) => inside(["rev-parse", `${sha}^{tree}`]),
    async tag(name, { commit: target, message } = {}) {
      const sha = target ?? (await inside(["rev-parse", `refs/heads/${defaultBranch}^{commit}`]));
      await inside([
        "tag",
        ...(message === undefined ? [] : ["--annotate", "--message", message]),
        "--",
        name,
        sha,
      ]);
    },
    async describe(revision) {
      const format = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cI%x00%B";
      let text: string;
      try {
        text = await inside([
          "show",
          "--no-patch",
          `--format=${format}`,
          "--end-of-options",
          `${revision}^{commit}`,
        ]);
      } catch {
        return undefined;
      }
      const [sha = "", tree = "", parents = "", authorName = "", ...rest] = text.split("\0");
      const [authorEmail = "", authoredAt = "", committedAt = "", message = ""] = rest;
      return {
        sha,
        tree,
        parents: parents.split(" ").filter((parent) => parent !== ""),
        authorName,
        authorEmail,
        authoredAt,
        committedAt,
        message,
      };
    },
  };
}
