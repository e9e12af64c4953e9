import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Redactor } from "@molecule-ai/core";
import {
  credentialFor,
  gitAuthorization,
  type GiteaSettings,
  type TemplateRepository,
} from "@molecule-ai/gitea-client";
import { runProcess, type ProcessOutcome } from "@molecule-ai/process-runner";
import { LocalBuildError } from "../errors.js";
import { objectFormatOf, readCommit, type CommitFacts } from "../git-object.js";
import { TemplateMeter, type TemplateLimits } from "../limits.js";

export interface GitFetch {
  readonly repository: TemplateRepository;
  readonly sha: string;
  /** An empty directory that git may fill; the caller removes it. */
  readonly scratch: string;
  /** Where the files are put; must not exist yet. */
  readonly destination: string;
  readonly gitPath: string;
  /** What is passed on of the caller's environment: PATH, proxies, certificates. */
  readonly gitEnv: Readonly<Record<string, string>>;
  /** Who asks, and the one origin that may know it. */
  readonly settings: GiteaSettings;
  readonly redactor: Redactor;
  readonly limits: TemplateLimits;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
}

export type GitFetchOutcome =
  | { readonly kind: "missing" }
  | { readonly kind: "failed"; readonly error: LocalBuildError }
  | {
      readonly kind: "fetched";
      readonly commit: CommitFacts;
      /** Submodules by path (latin1 text); git leaves an empty directory for each. */
      readonly submodules: Readonly<Record<string, string>>;
    };

/**
 * Fetches exactly one commit with the git program and writes its files, content byte for byte as
 * committed: no hooks, no filters, no line-ending conversion, no configuration but ours.
 *
 * The bytes of the commit are hashed here, whatever git says it fetched. `failed` means the fetch
 * itself did not succeed, so that another way may be tried; everything after it throws. The credential
 * travels in the environment only. On abort git and its children are ended.
 */
export async function fetchCommit(fetch: GitFetch): Promise<GitFetchOutcome> {
  const gitDir = join(fetch.scratch, "git");
  await writeGitDirectory(gitDir, fetch.sha);
  await mkdir(fetch.destination, { mode: 0o755 });
  const git = (
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<ProcessOutcome> =>
    runProcess({
      file: fetch.gitPath,
      args,
      cwd: fetch.destination,
      env: { ...baseEnvironment(fetch, gitDir), ...env },
      signal: fetch.signal,
      stdoutLimitBytes: 64 * 1024 * 1024,
      onOutput: fetch.onProgress,
    });

  const fetched = await withSizeLimit(fetch, join(gitDir, "objects", "pack"), (signal) =>
    runProcess({
      file: fetch.gitPath,
      args: fetchArguments(fetch),
      cwd: fetch.destination,
      env: { ...baseEnvironment(fetch, gitDir), ...credentialEnvironment(fetch) },
      signal,
      stdoutLimitBytes: 1024 * 1024,
      onOutput: fetch.onProgress,
    }),
  );
  if (fetched.kind === "missing") return fetched;
  if (fetched.kind === "failed")
    return { kind: "failed", error: gitError(fetch, "fetch", fetched) };

  const [commitBytes, listing] = await Promise.all([
    git(["cat-file", "commit", fetch.sha]),
    git(["ls-tree", "-r", "-l", "-z", "--full-tree", fetch.sha]),
  ]);
  const commit = readCommit(fetch.sha, outputOf(fetch, "cat-file", commitBytes));
  if (commit === undefined) {
    throw new LocalBuildError(
      "ERR_LOCAL_BUILD_COMMIT_MISMATCH",
      `What git fetched from ${fetch.repository.url} is not commit ${fetch.sha}.`,
      { hint: "Check the git program and any proxy between this machine and the server." },
    );
  }
  const submodules = admitListing(outputOf(fetch, "ls-tree", listing), fetch.limits);
  outputOf(
    fetch,
    "read-tree",
    await git(["read-tree", "--reset", "-u", fetch.sha], { GIT_WORK_TREE: fetch.destination }),
  );
  return { kind: "fetched", commit, submodules };
}

/** Arguments of the one git call that talks to a server. Nothing in it is secret. */
function fetchArguments(fetch: Pick<GitFetch, "repository" | "sha">): string[] {
  return [
    "fetch",
    "--progress",
    "--depth=1",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--",
    fetch.repository.url,
    fetch.sha,
  ];
}

/**
 * A git directory made by hand, so that no template of the machine brings hooks or settings, and so
 * that `.git` never lies beside the files. `info/attributes` outranks the template's own
 * attributes: conversions would make the files differ from the commit.
 */
async function writeGitDirectory(gitDir: string, sha: string): Promise<void> {
  await mkdir(join(gitDir, "objects"), { recursive: true, mode: 0o700 });
  await Promise.all([mkdir(join(gitDir, "refs")), mkdir(join(gitDir, "info"))]);
  const isSha256 = objectFormatOf(sha) === "sha256";
  await Promise.all([
    writeFile(join(gitDir, "HEAD"), "ref: refs/heads/main\n"),
    writeFile(
      join(gitDir, "info", "attributes"),
      "* -text !eol -ident -filter !working-tree-encoding\n",
    ),
    writeFile(
      join(gitDir, "config"),
      [
        `[core]\n\trepositoryFormatVersion = ${isSha256 ? 1 : 0}`,
        "\tbare = false\n\tfileMode = true\n\tsymlinks = true\n\tautoCrlf = false",
        "\thooksPath = /dev/null\n\tfsMonitor = false\n\taskPass =",
        ...(isSha256 ? ["[extensions]\n\tobjectFormat = sha256"] : []),
        "[credential]\n\thelper =",
        // A redirect would carry the token along: the forge's client follows them by hand instead.
        "[http]\n\tfollowRedirects = false",
        '[protocol]\n\tversion = 2\n\tallow = never\n[protocol "http"]\n\tallow = always',
        '[protocol "https"]\n\tallow = always',
        // One file to watch the size of, however few objects there are.
        "[fetch]\n\tunpackLimit = 1\n\trecurseSubmodules = false\n[submodule]\n\trecurse = false",
        "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
      ].join("\n"),
    ),
  ]);
}

function baseEnvironment(fetch: GitFetch, gitDir: string): Record<string, string> {
  return {
    ...fetch.gitEnv,
    LC_ALL: "C",
    // No .netrc, no .gitconfig: this directory holds nothing of the user's.
    HOME: fetch.scratch,
    GIT_DIR: gitDir,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "http:https",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
  };
}

function credentialEnvironment(fetch: GitFetch): Record<string, string> {
  const credential = credentialFor(fetch.settings, fetch.repository);
  if (credential === undefined) return {};
  return {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `http.${fetch.repository.origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: ${gitAuthorization(credential)}`,
  };
}

/** Ends `work` when the pack that is being received outgrows the limit. */
async function withSizeLimit(
  fetch: GitFetch,
  packs: string,
  work: (signal: AbortSignal) => Promise<ProcessOutcome>,
): Promise<ProcessOutcome> {
  const controller = new AbortController();
  const timer = setInterval(() => {
    void directorySize(packs).then((sizeBytes) => {
      try {
        new TemplateMeter(fetch.limits).add(0, sizeBytes);
      } catch (error) {
        controller.abort(error);
      }
    });
  }, 200);
  try {
    return await work(AbortSignal.any([fetch.signal, controller.signal]));
  } finally {
    clearInterval(timer);
  }
}

async function directorySize(path: string): Promise<number> {
  const names = await readdir(path).catch((): string[] => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(path, name)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Holds the listing of a commit against the limits before a byte of it is written, and picks out the
 * submodules.
 */
export function admitListing(listing: Buffer, limits: TemplateLimits): Record<string, string> {
  const meter = new TemplateMeter(limits);
  const submodules: Record<string, string> = {};
  for (const line of listing.toString("latin1").split("\0")) {
    if (line === "") continue;
    const match = /^(\d{6}) (\w+) ([0-9a-f]+) +(\d+|-)\t([^]+)$/.exec(line);
    if (match === null) {
      throw new LocalBuildError(
        "ERR_LOCAL_BUILD_CHECKOUT",
        "git listed the files of the commit in a form that is not understood.",
        { hint: "Use git 2.20 or newer.", details: { line: line.slice(0, 200) } },
      );
    }
    const [, mode, , id = "", size = "", path = ""] = match;
    if (mode === "160000") submodules[path] = id;
    else meter.add(1, Number(size));
  }
  return submodules;
}

function outputOf(fetch: GitFetch, command: string, outcome: ProcessOutcome): Buffer {
  if (outcome.kind === "exited") return outcome.stdout;
  throw gitError(fetch, command, outcome);
}

function gitError(
  fetch: GitFetch,
  command: string,
  outcome: Exclude<ProcessOutcome, { kind: "exited" }>,
): LocalBuildError {
  const status = outcome.kind === "missing" ? "the program is gone" : outcome.status;
  const stderr = outcome.kind === "missing" ? "" : lastLines(fetch.redactor.redact(outcome.stderr));
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_CHECKOUT",
    `git ${command} of ${fetch.repository.url} at ${fetch.sha.slice(0, 12)} failed (${status})${
      stderr === "" ? "" : `: ${stderr.split("\n").at(-1) ?? ""}`
    }.`,
    { retryable: true, details: { command, status, stderr } },
  );
}

/** The last few lines that say something; progress lines overwrite each other with CR. */
function lastLines(text: string): string {
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(-8)
    .join("\n");
}
