import type { Clock, Redactor } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { setMaxListeners } from "node:events";
import type { Vantage } from "./address.js";

/** What every part of the Docker backend works with. */
export interface DockerContext {
  readonly engine: DockerEngine;
  readonly installId: string;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly stopGraceSeconds: number;
  readonly adoptVolumes: boolean;
  /** Longest time for taking a failed start back. */
  readonly undoTimeoutMs: number;
  /** True when host paths mean the same here and on the engine's host. */
  readonly sharesFilesystem: boolean;
  readonly vantage: Vantage;
}

/** A signal that outlasts the caller's. Dispose it to let the caller's signal go. */
export interface LateSignal extends Disposable {
  readonly signal: AbortSignal | undefined;
}

/**
 * A signal for calls that change something: it aborts only some time after the caller's, because a
 * call that is cut off may still take effect, and then nobody would know of it.
 */
export function outlast(signal: AbortSignal | undefined): LateSignal {
  if (signal === undefined) return { signal, [Symbol.dispose]: () => undefined };
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => {
    timer = setTimeout(() => late.abort(signal.reason), OUTLAST_MS);
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  setMaxListeners(0, late.signal);
  return {
    signal: late.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    },
  };
}

const OUTLAST_MS = 5000;
