import { retryDelay } from "@molecule-ai/core";
import { parseChallenges } from "@molecule-ai/registry-mode";
import type { Dispatcher } from "undici";
import { RegistryError } from "../errors.js";
import type { ResolvedRegistryClientOptions } from "../options.js";
import type { Scope } from "../scope.js";
import { createAuthorizer, type Authorization } from "./authorizer.js";
import { closedError, statusError } from "./failures.js";
import { sendHttp, type Answer, type RequestBody } from "./http.js";
import { discard } from "./read-body.js";
import { headerOf, readRefusal } from "./refusal.js";
import { registryAddress, type RegistryAddress } from "./registry-address.js";

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** One question to a registry. */
export interface Question {
  readonly host: string;
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query from `/v2/` on, or a URL that the registry gave. */
  readonly target: string | URL;
  readonly scopes: readonly Scope[];
  /** What is asked for, for errors. */
  readonly subject: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: RequestBody | undefined;
  /** Statuses that `read` is given; any other is an error. */
  readonly expect: readonly number[];
  /** Whether it may be asked again after a failure that may pass. */
  readonly isRepeatable: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Sends questions: who asks, redirects, refusals and repetitions are dealt with in here. */
export interface Exchange {
  /** `read` is called again for a repeated question. */
  ask<T>(
    question: Question,
    read: (answer: Answer, progress: () => void) => Promise<T>,
  ): Promise<{ readonly value: T; readonly hasCredential: boolean }>;
  /** Runs `work` again, with pauses, while it fails in a way that may pass. */
  repeat<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
  address(host: string): RegistryAddress;
}

export function createExchange(
  dispatcher: Dispatcher,
  options: ResolvedRegistryClientOptions,
  isClosed: () => boolean,
): Exchange {
  const authorizer = createAuthorizer(dispatcher, options);
  const address = (host: string): RegistryAddress => registryAddress(host, options.insecureHosts);

  const askOnce = async <T>(
    question: Question,
    read: (answer: Answer, progress: () => void) => Promise<T>,
  ): Promise<{ readonly value: T; readonly hasCredential: boolean }> => {
    const registry = address(question.host);
    const url = new URL(question.target, registry.origin);
    const isOwn = url.origin === registry.origin;
    let authorization = isOwn ? authorizer.known(registry, question.scopes) : undefined;
    for (let isFirst = true; ; isFirst = false) {
      const outcome = await follow(
        registry,
        question,
        url,
        authorization,
        async (answer, progress) => {
          if (question.expect.includes(answer.statusCode)) {
            return { kind: "read", value: await read(answer, progress) } as const;
          }
          if (answer.statusCode === 401 && isOwn && isFirst) {
            const challenges = parseChallenges(answer.headers["www-authenticate"]);
            const hadCredential = authorization?.hasCredential ?? false;
            const about = { host: question.host, subject: question.subject, hadCredential };
            return {
              kind: "challenged",
              challenges,
              refusal: await readRefusal(answer, about, options),
            } as const;
          }
          throw statusError(
            await readRefusal(
              answer,
              {
                host: question.host,
                subject: question.subject,
                hadCredential: authorization?.hasCredential ?? false,
              },
              options,
            ),
          );
        },
      );
      if (outcome.kind === "read") {
        return { value: outcome.value, hasCredential: authorization?.hasCredential ?? false };
      }
      const { scopes, signal } = question;
      authorization = await authorizer.answer(registry, outcome.challenges, scopes, signal);
      if (authorization === undefined) throw statusError(outcome.refusal);
    }
  };

  /** Sends it, and follows redirects of what only reads; credentials stay on the registry's origin. */
  const follow = async <T>(
    registry: RegistryAddress,
    question: Question,
    from: URL,
    authorization: Authorization | undefined,
    read: (answer: Answer, progress: () => void) => Promise<T>,
  ): Promise<T> => {
    const { method, subject, signal, host } = question;
    let url = from;
    for (let redirects = 0; ; redirects += 1) {
      const isOwn = url.origin === registry.origin;
      const next = await sendHttp(
        dispatcher,
        {
          method,
          url,
          headers: {
            ...question.headers,
            ...(isOwn && authorization !== undefined
              ? { authorization: authorization.header }
              : {}),
          },
          body: question.body,
          host,
          subject,
          timeoutMs: question.body === undefined ? options.timeoutMs : options.idleTimeoutMs,
          signal,
        },
        async (answer, progress) => {
          const location = headerOf(answer, "location");
          if (!REDIRECTS.includes(answer.statusCode) || location === undefined) {
            return { kind: "answered", value: await read(answer, progress) } as const;
          }
          discard(answer.body);
          return {
            kind: "redirected",
            url: redirectTarget(registry, question, url, location),
          } as const;
        },
      );
      if (next.kind === "answered") return next.value;
      if (redirects >= MAX_REDIRECTS) {
        throw redirectRefused(question, `more than ${MAX_REDIRECTS} times`);
      }
      url = next.url;
    }
  };

  const repeat = async <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    for (let attempt = 0; ; attempt += 1) {
      if (isClosed()) throw closedError();
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        if (isClosed()) throw closedError();
        if (!(error instanceof RegistryError) || !error.retryable || attempt >= options.retries) {
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
        await options.clock.sleep(delay, signal);
      }
    }
  };

  return {
    address,
    repeat,
    ask: (question, read) => {
      const work = () => askOnce(question, read);
      if (question.isRepeatable) return repeat(question.signal, work);
      return isClosed() ? Promise.reject(closedError()) : work();
    },
  };
}

function redirectTarget(
  registry: RegistryAddress,
  question: Question,
  from: URL,
  location: string,
): URL {
  if (question.method !== "GET" && question.method !== "HEAD") {
    throw redirectRefused(question, "although something is to be written");
  }
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target?.protocol === "https:" || (target?.protocol === "http:" && registry.isInsecure)) {
    target.username = "";
    target.password = "";
    return target;
  }
  // Only what cannot hold a secret is shown of a target.
  throw redirectRefused(question, `to ${target?.origin ?? "an invalid address"}`);
}

function redirectRefused({ host, subject }: Question, how: string): RegistryError {
  return new RegistryError(
    "ERR_REGISTRY_REDIRECT_REFUSED",
    `${host}, ${subject}: the registry redirects ${how}, which is not followed.`,
    { hint: "Name the host that the registry really has.", details: { host, subject } },
  );
}
