import { createRedactor, parseRetryAfter, retryDelay } from "@molecule-ai/core";
import { request, type Dispatcher } from "undici";

import type { TemplateRepository } from "../client.js";
import { apiAuthorization, credentialSecret, type GiteaCredential } from "../credential.js";
import { GiteaError } from "../errors.js";
import type { ResolvedGiteaClientOptions } from "../options.js";
import { credentialFor } from "../settings.js";
import { disconnected, unreachable } from "./connection-failure.js";
import { discard, readBody } from "./read-body.js";

const MAX_REDIRECTS = 5;
const MAX_ERROR_BODY_BYTES = 4096;

/** One question to a server. */
export interface Question {
  readonly repository: TemplateRepository;
  readonly url: string;
  /** What is asked about, for errors. */
  readonly subject: string;
  readonly accept: string;
  /** The caller's abort and the time limit in one. */
  readonly signal: AbortSignal;
}

export type Answer = Dispatcher.ResponseData;

/** Sends questions: redirects, refusals and repetitions are dealt with in here. */
export interface Exchange {
  /**
   * Asks until `read` has an answer of status 200, or a failure is final. Undefined means 404.
   * `read` is called again for a repeated question.
   */
  ask<T>(question: Question, read: (answer: Answer) => Promise<T>): Promise<T | undefined>;
}

export function createExchange(
  dispatcher: Dispatcher,
  options: ResolvedGiteaClientOptions,
): Exchange {
  const { settings } = options;
  const secret = settings.credential === undefined ? [] : [credentialSecret(settings.credential)];
  const redactor = createRedactor(secret);

  const askOnce = async <T>(
    question: Question,
    read: (answer: Answer) => Promise<T>,
  ): Promise<T | undefined> => {
    const asCaller = credentialFor(settings, question.repository);
    const answer = await follow(dispatcher, question, asCaller);
    if (answer.statusCode !== 200) {
      const text = await readBody(answer.body, {
        contentLength: undefined,
        maxBytes: MAX_ERROR_BODY_BYTES,
        subject: question.subject,
      }).catch(() => "");
      if (answer.statusCode === 404) return undefined;
      const told = redactor.redact(messageOf(text));
      throw refusal(question, answer, told, asCaller, options.clock.now());
    }
    try {
      return await read(answer);
    } catch (error) {
      discard(answer.body);
      question.signal.throwIfAborted();
      throw error instanceof GiteaError
        ? error
        : disconnected(error, question.repository.origin, question.subject);
    }
  };

  return {
    async ask(question, read) {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await askOnce(question, read);
        } catch (error) {
          question.signal.throwIfAborted();
          if (!(error instanceof GiteaError) || !error.retryable || attempt >= options.retries) {
            throw error;
          }
          const retryAfterMs = error.details["retryAfterMs"];
          const delay = retryDelay({
            attempt,
            random: options.random(),
            retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
            longestMs: options.maxRetryDelayMs,
          });
          if (delay === undefined) throw error;
          await wait(delay, error);
        }
      }

      async function wait(ms: number, failure: GiteaError): Promise<void> {
        try {
          await options.clock.sleep(ms, question.signal);
        } catch (reason) {
          // Out of time while waiting for another try: the failure tells more than the limit does.
          throw reason instanceof GiteaError ? failure : reason;
        }
      }
    },
  };
}

/** Sends one request and follows redirects that stay on the server; any other is an error. */
async function follow(
  dispatcher: Dispatcher,
  question: Question,
  credential: GiteaCredential | undefined,
): Promise<Answer> {
  const { repository, subject, signal } = question;
  let url = new URL(question.url);
  for (let redirects = 0; ; redirects += 1) {
    let answer: Answer;
    try {
      answer = await request(url.href, {
        dispatcher,
        signal,
        headers: {
          accept: question.accept,
          "accept-encoding": "identity",
          "user-agent": "molecule-gitea-client",
          ...(credential === undefined ? {} : { authorization: apiAuthorization(credential) }),
        },
        // The time limit of the call and the idle limit of the archive are the only ones.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw unreachable(error, repository.origin, subject);
    }
    const location = headerOf(answer, "location");
    if (![301, 302, 303, 307, 308].includes(answer.statusCode) || location === undefined) {
      return answer;
    }
    discard(answer.body);
    url = redirectTarget(question, url, location);
    if (redirects >= MAX_REDIRECTS) {
      throw new GiteaError(
        "ERR_GITEA_REDIRECT_REFUSED",
        `${repository.origin} redirects the question about ${subject} more than ${MAX_REDIRECTS} times.`,
        { hint: "Check the address of the repository in a browser." },
      );
    }
  }
}

function redirectTarget(question: Question, from: URL, location: string): URL {
  const { origin, basePath } = question.repository;
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target?.origin === origin && target.pathname.startsWith(`${basePath}/`)) {
    target.username = "";
    target.password = "";
    return target;
  }
  // Only what cannot hold a secret is shown of a target.
  const shown = target === undefined ? "an invalid address" : `${target.origin}${target.pathname}`;
  throw new GiteaError(
    "ERR_GITEA_REDIRECT_REFUSED",
    `${origin}${basePath} redirects the question about ${question.subject} to ${shown}, which is not part of it.`,
    {
      hint: "If the repository has moved there, set MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX to the new address.",
      details: { target: shown },
    },
  );
}

function refusal(
  question: Question,
  answer: Answer,
  told: string,
  credential: GiteaCredential | undefined,
  now: number,
): GiteaError {
  const { repository, subject } = question;
  const status = answer.statusCode;
  const saying = told === "" ? "" : `: ${told}`;
  if (status === 401 || status === 403) {
    return new GiteaError(
      "ERR_GITEA_UNAUTHORIZED",
      `${repository.origin} refused the question about ${subject} (${status})${saying}.`,
      {
        hint:
          credential === undefined
            ? "Set MOLECULE_GITEA_TOKEN to a token that may read the repository. Gogs asks for one even where the repository is public."
            : "Check that MOLECULE_GITEA_TOKEN is valid, belongs to this server and may read repositories.",
        details: { status },
      },
    );
  }
  const retryAfterMs = parseRetryAfter(headerOf(answer, "retry-after"), now);
  return new GiteaError(
    "ERR_GITEA_STATUS",
    `${repository.origin} answered the question about ${subject} with status ${status}${saying}.`,
    {
      hint: hintOfStatus(status, retryAfterMs),
      retryable: status === 429 || status >= 500,
      details: { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    },
  );
}

function hintOfStatus(status: number, retryAfterMs: number | undefined): string {
  if (retryAfterMs !== undefined) {
    return `The server asks to come back in ${Math.ceil(retryAfterMs / 1000)} s.`;
  }
  if (status === 429) return "The server limits requests: try again later, or set a token.";
  if (status >= 500) return "Try again later, and look at the log of the server.";
  return "Check that the address belongs to a Gitea, Forgejo or Gogs server.";
}

/** What a server says of its refusal, if it says it in JSON. */
function messageOf(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    const message = (value as { readonly message?: unknown } | null)?.message;
    return typeof message === "string" ? message.replace(/\s+/g, " ").slice(0, 200) : "";
  } catch {
    return "";
  }
}

export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
