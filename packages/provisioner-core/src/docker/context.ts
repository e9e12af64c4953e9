import type { Clock, Redactor } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";

/** What every part of the Docker backend works with. */
export interface DockerContext {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly stopGraceSeconds: number;
  readonly adoptVolumes: boolean;
  /** True when host paths mean the same here and on the engine's host. */
  readonly sharesFilesystem: boolean;
}

/**
 * A signal for calls that change something: it aborts only some time after the caller's, because a
 * call that is cut off may still take effect, and then nobody would know of it.
 */
export function settlingSignal(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(CALL_LIMIT_MS);
  if (signal === undefined) return limit;
  const late = new AbortController();
  const abort = (): void => {
    setTimeout(() => late.abort(signal.reason), SETTLE_MS).unref();
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return AbortSignal.any([late.signal, limit]);
}

const SETTLE_MS = 5000;
const CALL_LIMIT_MS = 120_000;
