import { Agent } from "undici";

import type { GiteaClient, ServerVersion, TemplateRepository } from "./client.js";
import { GiteaError } from "./errors.js";
import { boundArchive } from "./internal/archive-stream.js";
import { createExchange } from "./internal/exchange.js";
import { createLookups, type Lookups } from "./internal/lookups.js";
import { resolveChosen, resolveDefault } from "./internal/resolve-head.js";
import { withTimeLimit } from "./internal/time-limit.js";
import { resolveOptions, type GiteaClientOptions } from "./options.js";
import { isCommit } from "./ref.js";
import { repositoryApiUrl } from "./repository.js";

/** A client for the reading part of the API that Gitea, Forgejo and Gogs share. */
export function createGiteaClient(options: GiteaClientOptions = {}): GiteaClient {
  const resolved = resolveOptions(options);
  const ownAgent = options.dispatcher === undefined ? new Agent() : undefined;
  const exchange = createExchange(options.dispatcher ?? (ownAgent as Agent), resolved);

  /** Runs one call under its time limit. */
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

  const lookUp = <T>(
    repository: TemplateRepository,
    signal: AbortSignal | undefined,
    work: (lookups: Lookups) => Promise<T>,
  ): Promise<T> =>
    limited(repository, signal, (limit) =>
      work(
        createLookups({
          exchange,
          repository,
          maxBodyBytes: resolved.maxBodyBytes,
          signal: limit,
        }),
      ),
    );

  return {
    resolveHead: (repository, { ref, signal } = {}) =>
      lookUp(repository, signal, (lookups) =>
        ref === undefined
          ? resolveDefault(repository, lookups)
          : resolveChosen(repository, ref, lookups),
      ),

    async archive(repository, sha, { signal } = {}) {
      requireCommit(sha);
      const subject = `the archive of ${sha} of ${repository.url}`;
      const url = `${repositoryApiUrl(repository)}/archive/${sha}.tar.gz`;
      const accept = "application/gzip, application/octet-stream";
      // The time limit ends with the head of the answer; the body has limits of its own.
      const body = await limited(repository, signal, (limit) =>
        exchange.ask({ repository, url, subject, accept, signal: limit }, (answer) =>
          Promise.resolve(answer.body),
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
      return lookUp(repository, signal, (lookups) => lookups.tree(sha));
    },

    async version(repository, { signal } = {}) {
      const told = await lookUp(repository, signal, (lookups) => lookups.version());
      return {
        product: productOf(told?.version),
        version: told?.version ?? "unknown",
        date: told?.date,
      };
    },

    async [Symbol.asyncDispose]() {
      await ownAgent?.destroy();
    },
  };
}

function requireCommit(sha: string): void {
  if (isCommit(sha)) return;
  throw new GiteaError(
    "ERR_GITEA_REF_INVALID",
    `${JSON.stringify(sha.slice(0, 100))} is no full commit.`,
    { hint: "Resolve the branch or tag first." },
  );
}

/** Forgejo tells the Gitea version it is compatible with; Gogs tells none at all. */
function productOf(version: string | undefined): ServerVersion["product"] {
  if (version === undefined) return "unknown";
  return version.includes("+gitea-") ? "Forgejo" : "Gitea";
}
