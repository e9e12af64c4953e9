import { z } from "zod";

import { GiteaError } from "./errors.js";
import { isCommit } from "./ref.js";

/** A commit as the server names it. */
export interface CommitAnswer {
  /** 40 or 64 lower-case hex digits. */
  readonly sha: string;
  /** Unix milliseconds. */
  readonly committedAt: number | undefined;
}

const time = z.string().nullish().catch(undefined);
const branch = z.object({ commit: z.object({ id: z.string(), timestamp: time }) });
const tag = z.object({ commit: z.object({ sha: z.string() }) });
const commit = z.object({
  sha: z.string(),
  commit: z.object({ author: z.object({ date: time }).nullish() }).nullish(),
});
const tree = z.object({ commit: z.object({ tree: z.object({ sha: z.string() }) }) });
const repository = z.object({ default_branch: z.string() });
const version = z.object({ version: z.string() });

/** Reads the answer about a branch. `subject` names it in errors. */
export function parseBranch(value: unknown, subject: string): CommitAnswer {
  const answer = branch.safeParse(value);
  if (!answer.success) throw shaMissing(subject, answer.error);
  const { id, timestamp } = answer.data.commit;
  return { sha: parseSha(id, subject), committedAt: parseTime(timestamp) };
}

/** Reads the answer about a tag: the commit it points to, also through an annotated tag. */
export function parseTag(value: unknown, subject: string): string {
  const answer = tag.safeParse(value);
  if (!answer.success) throw shaMissing(subject, answer.error);
  return parseSha(answer.data.commit.sha, subject);
}

/** Reads the answer about a commit; the time is the author's, as in the answer about a branch. */
export function parseCommit(value: unknown, subject: string): CommitAnswer {
  const answer = commit.safeParse(value);
  if (!answer.success) throw shaMissing(subject, answer.error);
  const { sha, commit: details } = answer.data;
  return { sha: parseSha(sha, subject), committedAt: parseTime(details?.author?.date) };
}

/** Reads the tree out of the answer about a commit; undefined when it holds none. */
export function parseTree(value: unknown, subject: string): string | undefined {
  const answer = tree.safeParse(value);
  return answer.success ? parseSha(answer.data.commit.tree.sha, subject) : undefined;
}

/** Reads the default branch out of the answer about a repository. */
export function parseDefaultBranch(value: unknown, subject: string): string {
  const answer = repository.safeParse(value);
  if (!answer.success) throw invalid(`${subject} has no default_branch`, answer.error);
  return answer.data.default_branch;
}

export function parseVersion(value: unknown, subject: string): string {
  const answer = version.safeParse(value);
  if (!answer.success) throw invalid(`${subject} has no version`, answer.error);
  return answer.data.version;
}

function parseSha(text: string, subject: string): string {
  if (isCommit(text)) return text.toLowerCase();
  throw new GiteaError(
    "ERR_GITEA_SHA_INVALID",
    `The answer about ${subject} names ${JSON.stringify(text.slice(0, 80))}, which is no full commit.`,
    {
      hint: "A commit has 40 or 64 hex digits: check that the address belongs to a Gitea, Forgejo or Gogs server.",
      details: { sha: text.slice(0, 80) },
    },
  );
}

/** Go writes a time it does not know as year 1. */
function parseTime(text: string | null | undefined): number | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

function shaMissing(subject: string, cause: unknown): GiteaError {
  return new GiteaError("ERR_GITEA_SHA_MISSING", `The answer about ${subject} names no commit.`, {
    hint: "Check that the address belongs to a Gitea, Forgejo or Gogs server.",
    cause,
  });
}

function invalid(what: string, cause: unknown): GiteaError {
  return new GiteaError("ERR_GITEA_ANSWER_INVALID", `The answer about ${what}.`, {
    hint: "Check that the address belongs to a Gitea, Forgejo or Gogs server.",
    cause,
  });
}
