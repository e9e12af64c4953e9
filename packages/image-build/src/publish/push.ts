import { retryDelay, systemClock, type Clock, type EventSink } from "@molecule-ai/core";
import {
  isEngineError,
  type DockerEngine,
  type EngineError,
  type RegistryCredential,
} from "@molecule-ai/docker-engine";
import { registryHost } from "@molecule-ai/registry-mode";
import { detectProvider } from "./provider.js";
import type { PublishEvent } from "./publish-event.js";
import { PushError, type PushedTag } from "./push-error.js";
import {
  classifyUnnamedFailure,
  failureOfEngineCode,
  isHarborProjectMissing,
} from "./push-failure.js";

export interface PushTagsOptions {
  readonly engine: { readonly images: Pick<DockerEngine["images"], "push"> };
  /** In the order in which they are pushed; all on the engine. */
  readonly tags: readonly string[];
  /** Tags that are at their registries already: of a {@link PushError}, to go on where it stopped. */
  readonly done?: readonly PushedTag[] | undefined;
  /** By registry host; undefined leaves it to the engine's own credentials. */
  readonly credential?: ((host: string) => RegistryCredential | undefined) | undefined;
  /** Provider of a registry by its host, where it is not told by the host itself. */
  readonly provider?: ((host: string) => string) | undefined;
  /** Creates the project that Harbor misses; false when it could not. Asked once per tag. */
  readonly createProject?:
    | ((missing: {
        readonly tag: string;
        readonly signal: AbortSignal | undefined;
      }) => Promise<boolean>)
    | undefined;
  /** How often one tag is tried when it fails in a way that may pass; default 3. */
  readonly attempts?: number | undefined;
  /** Longest wait between two tries, in milliseconds; default 10 000. */
  readonly maxRetryDelayMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink<PublishEvent> | undefined;
}

const DEFAULT_ATTEMPTS = 3;
const DEFAULT_MAX_DELAY_MS = 10_000;

/**
 * Pushes tags through the engine, one after the other, and stops at the first that fails for good:
 * `PushError` says which, why, what was pushed before and what remains. A registry moves a tag only
 * when it has all of the image, so a failure or an abort leaves every tag either as it was or done;
 * on abort an event says which, and the promise rejects with `signal.reason`.
 * Resolves to all of `done` and `tags`.
 */
export async function pushTags(options: PushTagsOptions): Promise<readonly PushedTag[]> {
  const { signal, onEvent, done = [] } = options;
  const tags = options.tags.filter((tag) => !done.some((entry) => entry.tag === tag));
  const pushed: PushedTag[] = [...done];
  for (const [at, tag] of tags.entries()) {
    const remaining = tags.slice(at);
    try {
      signal?.throwIfAborted();
      onEvent?.({ type: "push.tag", tag, status: "started" });
      const result = await pushTag(options, tag, { pushed, remaining });
      pushed.push(result);
      onEvent?.({ type: "push.tag", tag, status: "pushed", digest: result.digest });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
      onEvent?.({ type: "push.cancelled", pushed, remaining });
      throw signal.reason;
    }
  }
  return pushed;
}

interface Progress {
  readonly pushed: readonly PushedTag[];
  readonly remaining: readonly string[];
}

async function pushTag(
  options: PushTagsOptions,
  tag: string,
  progress: Progress,
): Promise<PushedTag> {
  const { signal, onEvent, clock = systemClock, random = Math.random } = options;
  const attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  let mayCreate = options.createProject !== undefined;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { digest, sizeBytes } = await options.engine.images.push(tag, {
        signal,
        credential: options.credential?.(registryHost(tag)),
        onEvent,
      });
      return { tag, digest, sizeBytes };
    } catch (cause) {
      signal?.throwIfAborted();
      if (!isEngineError(cause)) throw cause;
      const error = pushErrorOf(options, tag, cause, progress);
      if (error.isProjectMissing && mayCreate) {
        mayCreate = false;
        if ((await options.createProject?.({ tag, signal })) === true) continue;
        throw error;
      }
      if (!error.retryable || attempt + 1 >= attempts) throw error;
      const longestMs = options.maxRetryDelayMs ?? DEFAULT_MAX_DELAY_MS;
      const delayMs =
        retryDelay({ attempt, random: random(), retryAfterMs: undefined, longestMs }) ?? longestMs;
      onEvent?.({ type: "push.tag", tag, status: "retrying", reason: error.reason, delayMs });
      await clock.sleep(delayMs, signal);
    }
  }
}

function pushErrorOf(
  { provider }: PushTagsOptions,
  tag: string,
  cause: EngineError,
  progress: Progress,
): PushError {
  const { engineMessage, registryStatus } = cause.details;
  const text = typeof engineMessage === "string" ? engineMessage : cause.message;
  const status = typeof registryStatus === "number" ? registryStatus : undefined;
  const failure = failureOfEngineCode(cause.code) ?? classifyUnnamedFailure(text, status);
  const providers = [provider?.(registryHost(tag)) ?? detectProvider(registryHost(tag))];
  return new PushError({
    tag,
    failure,
    text,
    status,
    ...progress,
    pushed: [...progress.pushed],
    isProjectMissing: isHarborProjectMissing(providers, text),
    cause,
  });
}
