import {
  parseBranch,
  parseCommit,
  parseDefaultBranch,
  parseTag,
  parseTree,
  parseVersion,
  type CommitAnswer,
} from "../answers.js";
import type { TemplateRepository } from "../client.js";
import { GiteaError } from "../errors.js";
import { apiUrl, branchUrl, encodeRef, repositoryApiUrl } from "../repository.js";
import { headerOf, type Answer, type Exchange } from "./exchange.js";
import { readBody } from "./read-body.js";

/** Single questions to the API about one repository; undefined means the server answered 404. */
export interface Lookups {
  branch(name: string): Promise<CommitAnswer | undefined>;
  tag(name: string): Promise<CommitAnswer | undefined>;
  commit(sha: string): Promise<CommitAnswer | undefined>;
  tree(sha: string): Promise<string | undefined>;
  /** Undefined when there is no such repository. */
  defaultBranch(): Promise<string | undefined>;
  version(): Promise<{ readonly version: string; readonly date: number | undefined } | undefined>;
}

export function createLookups(options: {
  readonly exchange: Exchange;
  readonly repository: TemplateRepository;
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}): Lookups {
  const { exchange, repository, maxBodyBytes, signal } = options;

  const ask = <T>(
    url: string,
    subject: string,
    parse: (value: unknown, subject: string, answer: Answer) => T,
  ): Promise<T | undefined> =>
    exchange.ask({ repository, url, subject, accept: "application/json", signal }, async (answer) =>
      parse(await readJson(answer, subject, maxBodyBytes), subject, answer),
    );

  const commitUrl = (sha: string): string =>
    // Without the query a large commit would not fit into the limit of an answer.
    `${repositoryApiUrl(repository)}/git/commits/${sha}?stat=false&verification=false&files=false`;

  /** Gogs has another route for commits, and takes any revision there. */
  const gogsCommit = (revision: string): Promise<CommitAnswer | undefined> =>
    ask(
      `${repositoryApiUrl(repository)}/commits/${encodeURIComponent(revision)}`,
      `commit ${revision} of ${repository.url}`,
      parseCommit,
    );

  const commit = async (sha: string): Promise<CommitAnswer | undefined> =>
    (await ask(commitUrl(sha), `commit ${sha} of ${repository.url}`, parseCommit)) ??
    (await gogsCommit(sha));

  return {
    commit,
    branch: (name) =>
      ask(branchUrl(repository, name), `branch ${name} of ${repository.url}`, parseBranch),
    async tag(name) {
      const url = `${repositoryApiUrl(repository)}/tags/${encodeRef(name)}`;
      const sha = await ask(url, `tag ${name} of ${repository.url}`, parseTag);
      // Gogs does not know single tags; `^0` leads through an annotated one to its commit. Elsewhere
      // the time in the answer is that of the tag.
      return sha === undefined ? gogsCommit(`${name}^0`) : commit(sha);
    },
    tree: (sha) => ask(commitUrl(sha), `commit ${sha} of ${repository.url}`, parseTree),
    defaultBranch: () => ask(repositoryApiUrl(repository), repository.url, parseDefaultBranch),
    version: () =>
      ask(
        `${apiUrl(repository)}/version`,
        `the version of ${repository.origin}${repository.basePath}`,
        (value, subject, answer) => {
          const date = Date.parse(headerOf(answer, "date") ?? "");
          return {
            version: parseVersion(value, subject),
            date: Number.isNaN(date) ? undefined : date,
          };
        },
      ),
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
