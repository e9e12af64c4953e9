import { Agent } from "undici";

import {
  parseBranch,
  parseCommit,
  parseDefaultBranch,
  parseTag,
  parseTree,
  parseVersion,
  type CommitAnswer,
} from "./answers.js";
import type { GiteaClient, TemplateHead, TemplateRepository } from "./client.js";
import { GiteaError } from "./errors.js";
import { boundArchive } from "./internal/archive-stream.js";
import { createExchange, headerOf, type Answer } from "./internal/exchange.js";
import { readBody } from "./internal/read-body.js";
import { withTimeLimit } from "./internal/time-limit.js";
import { resolveOptions, type GiteaClientOptions } from "./options.js";
import { isCommit, parseRef } from "./ref.js";
import { apiUrl, branchUrl, encodeRef, repositoryApiUrl } from "./repository.js";

const DEFAULT_BRANCH = "main";

/** A client for the reading part of the API that Gitea, Forgejo and Gogs share. */
export function createGiteaClient(options: GiteaClientOptions = {}): GiteaClient {
  const resolved = resolveOptions(options);
  const ownDispatcher = options.dispatcher === undefined ? new Agent() : undefined;
  const exchange = createExchange(options.dispatcher ?? (ownDispatcher as Agent), resolved);

  /** Runs one call of the client under its time limit. */
  const limited = <T>(
    repository: TemplateRepository,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> =>
    withTimeLimit(
      {
        timeoutMs: resolved.timeoutMs,
        signal,
        onTimeout: () =>
          new GiteaError(
            "ERR_GITEA_TIMEOUT",
            `${repository.origin} did not answer about ${repository.url} within ${resolved.timeoutMs} ms.`,
            { hint: "Try again, or raise the option timeoutMs.", retryable: true },
          ),
      },
      work,
    );

  /** Asks for JSON; undefined means 404. */
  const askJson = <T>(
    repository: TemplateRepository,
    url: string,
    subject: string,
    signal: AbortSignal,
    parse: (value: unknown, subject: string) => T,
  ): Promise<T | undefined> =>
    exchange.ask({ repository, url, subject, accept: "application/json", signal }, async (answer) =>
      parse(await readJson(answer, subject, resolved.maxBodyBytes), subject),
    );

  const askBranch = async (
    repository: TemplateRepository,
    branch: string,
    signal: AbortSignal,
  ): Promise<TemplateHead | undefined> => {
    const subject = `branch ${branch} of ${repository.url}`;
    const url = branchUrl(repository, branch);
    const head = await askJson(repository, url, subject, signal, parseBranch);
    return head === undefined ? undefined : { repository, ref: branch, ...head };
  };

  const askCommit = async (
    repository: TemplateRepository,
    sha: string,
    signal: AbortSignal,
  ): Promise<CommitAnswer | undefined> => {
    const subject = `commit ${sha} of ${repository.url}`;
    return (
      (await askJson(repository, commitUrl(repository, sha), subject, signal, parseCommit)) ??
      (await askGogsCommit(repository, sha, signal))
    );
  };

  /** Gogs has another route for commits, and takes any revision there. */
  const askGogsCommit = (
    repository: TemplateRepository,
    revision: string,
    signal: AbortSignal,
  ): Promise<CommitAnswer | undefined> =>
    askJson(
      repository,
      `${repositoryApiUrl(repository)}/commits/${encodeURIComponent(revision)}`,
      `commit ${revision} of ${repository.url}`,
      signal,
      parseCommit,
    );

  const askTag = async (
    repository: TemplateRepository,
    tag: string,
    signal: AbortSignal,
  ): Promise<TemplateHead | undefined> => {
    const subject = `tag ${tag} of ${repository.url}`;
    const url = `${repositoryApiUrl(repository)}/tags/${encodeRef(tag)}`;
    const sha = await askJson(repository, url, subject, signal, parseTag);
    // Gogs does not know single tags; `^0` leads through an annotated one to its commit. Elsewhere
    // the time in the answer is that of the tag.
    const head =
      sha === undefined
        ? await askGogsCommit(repository, `${tag}^0`, signal)
        : await askCommit(repository, sha, signal);
    return head === undefined ? undefined : { repository, ref: tag, ...head };
  };

  const resolveDefault = async (
    repository: TemplateRepository,
    signal: AbortSignal,
  ): Promise<TemplateHead> => {
    const head = await askBranch(repository, DEFAULT_BRANCH, signal);
    if (head !== undefined) return head;
    const branch = await askJson(
      repository,
      repositoryApiUrl(repository),
      repository.url,
      signal,
      parseDefaultBranch,
    );
    if (branch === undefined) throw repositoryNotFound(repository);
    const other =
      branch === DEFAULT_BRANCH || branch === ""
        ? undefined
        : await askBranch(repository, branch, signal);
    if (other !== undefined) return other;
    throw new GiteaError(
      "ERR_GITEA_REF_NOT_FOUND",
      `The repository ${repository.url} has no branch ${branch || DEFAULT_BRANCH}: it is empty.`,
      { hint: "Push a first commit, or choose a branch, tag or commit that exists." },
    );
  };

  const resolveChosen = async (
    repository: TemplateRepository,
    ref: string,
    signal: AbortSignal,
  ): Promise<TemplateHead> => {
    const lookup = parseRef(ref);
    let head: TemplateHead | undefined;
    if (lookup.kind === "commit") {
      const commit = await askCommit(repository, lookup.sha, signal);
      if (commit !== undefined && commit.sha !== lookup.sha) {
        throw new GiteaError(
          "ERR_GITEA_SHA_INVALID",
          `${repository.origin} answered with commit ${commit.sha} when asked for ${lookup.sha}.`,
          { hint: "Check the server: a commit is one thing only." },
        );
      }
      head = commit === undefined ? undefined : { repository, ref: lookup.sha, ...commit };
    } else {
      if (lookup.kind !== "tag") head = await askBranch(repository, lookup.name, signal);
      if (lookup.kind !== "branch") head ??= await askTag(repository, lookup.name, signal);
    }
    if (head !== undefined) return head;
    const exists = await askJson(
      repository,
      repositoryApiUrl(repository),
      repository.url,
      signal,
      () => true,
    );
    if (exists === undefined) throw repositoryNotFound(repository);
    throw new GiteaError(
      "ERR_GITEA_REF_NOT_FOUND",
      `The repository ${repository.url} has no ${lookup.kind === "any" ? "branch or tag" : lookup.kind} ${lookup.kind === "commit" ? lookup.sha : lookup.name}.`,
      { hint: "Choose a branch or tag that exists; a commit is given with all its digits." },
    );
  };

  return {
    resolveHead: (repository, { ref, signal } = {}) =>
      limited(repository, signal, (limit) =>
        ref === undefined
          ? resolveDefault(repository, limit)
          : resolveChosen(repository, ref, limit),
      ),

    async archive(repository, sha, { signal } = {}) {
      requireCommit(sha);
      const subject = `the archive of ${sha} of ${repository.url}`;
      // Outlives the time limit of the call: it ends the answer whose body is still being read.
      const body = await limited(repository, signal, (limit) =>
        exchange.ask(
          {
            repository,
            url: `${repositoryApiUrl(repository)}/archive/${sha}.tar.gz`,
            subject,
            accept: "application/gzip, application/octet-stream",
            signal: limit,
          },
          (answer) => Promise.resolve(answer.body),
        ),
      );
      if (body === undefined) {
        throw new GiteaError(
          "ERR_GITEA_REF_NOT_FOUND",
          `${repository.origin} has no archive of commit ${sha} of ${repository.url}.`,
          { hint: "The repository may have been removed or its history rewritten." },
        );
      }
      return boundArchive(body, {
        signal,
        idleTimeoutMs: resolved.idleTimeoutMs,
        maxBytes: resolved.maxArchiveBytes,
        origin: repository.origin,
        subject,
      });
    },

    async commitTree(repository, sha, { signal } = {}) {
      requireCommit(sha);
      const subject = `commit ${sha} of ${repository.url}`;
      return limited(repository, signal, (limit) =>
        askJson(repository, commitUrl(repository, sha), subject, limit, parseTree),
      );
    },

    version: (repository, { signal } = {}) =>
      limited(repository, signal, async (limit) => {
        const subject = `the version of ${repository.origin}${repository.basePath}`;
        let date: number | undefined;
        const version = await exchange.ask(
          {
            repository,
            url: `${apiUrl(repository)}/version`,
            subject,
            accept: "application/json",
            signal: limit,
          },
          async (answer) => {
            date = Date.parse(headerOf(answer, "date") ?? "");
            return parseVersion(await readJson(answer, subject, resolved.maxBodyBytes), subject);
          },
        );
        return {
          product: productOf(version),
          version: version ?? "unknown",
          date: date === undefined || Number.isNaN(date) ? undefined : date,
        };
      }),

    async [Symbol.asyncDispose]() {
      await ownDispatcher?.destroy();
    },
  };
}

async function readJson(answer: Answer, subject: string, maxBytes: number): Promise<unknown> {
  const text = await readBody(answer.body, {
    contentLength: headerOf(answer, "content-length"),
    maxBytes,
    subject,
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    const isPage = /^\s*</.test(text);
    throw new GiteaError(
      "ERR_GITEA_NOT_JSON",
      `The answer about ${subject} is ${isPage ? "a web page" : "no valid JSON"}.`,
      {
        hint: isPage
          ? "The address may belong to another service, or a proxy asks to sign in first."
          : "Check that the address belongs to a Gitea, Forgejo or Gogs server.",
        cause,
      },
    );
  }
}

function commitUrl(repository: TemplateRepository, sha: string): string {
  // Without the query a large commit would not fit into the limit of an answer.
  return `${repositoryApiUrl(repository)}/git/commits/${sha}?stat=false&verification=false&files=false`;
}

function requireCommit(sha: string): void {
  if (isCommit(sha)) return;
  throw new GiteaError(
    "ERR_GITEA_REF_INVALID",
    `${JSON.stringify(sha.slice(0, 100))} is no full commit.`,
    { hint: "Resolve the branch or tag first." },
  );
}

function repositoryNotFound(repository: TemplateRepository): GiteaError {
  return new GiteaError("ERR_GITEA_NOT_FOUND", `The repository ${repository.url} was not found.`, {
    hint: "It may not be mirrored to this server, or it is private: check MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX, and set MOLECULE_GITEA_TOKEN if it is private.",
  });
}

/** Forgejo tells the Gitea version it is compatible with; Gogs tells none at all. */
function productOf(version: string | undefined): "Gitea" | "Forgejo" | "unknown" {
  if (version === undefined) return "unknown";
  return version.includes("+gitea-") ? "Forgejo" : "Gitea";
}
