import { systemClock, type Clock } from "@molecule-ai/core";
import type { Dispatcher } from "undici";

import type { GiteaSettings } from "./settings.js";

export interface GiteaClientOptions {
  /** Who asks, and the one origin that may know it. Default: nobody, everywhere. */
  readonly settings?: GiteaSettings | undefined;
  /**
   * Where requests go. Default: an agent of the client's own, closed with it; one that is passed in
   * stays open.
   */
  readonly dispatcher?: Dispatcher | undefined;
  /** Longest time of one call with all its requests and waits, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Longest silence while an archive is read, in milliseconds. Default 30 000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Most bytes of one JSON answer. Default 65 536. */
  readonly maxBodyBytes?: number | undefined;
  /** Most bytes of one archive as sent. Default 1 GiB. */
  readonly maxArchiveBytes?: number | undefined;
  /** How often a request is repeated after a broken connection, 429 or 5xx. Default 3. */
  readonly retries?: number | undefined;
  /** Longest wait before a repetition; a server that asks for more fails the call. Default 10 000. */
  readonly maxRetryDelayMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Source of jitter, in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export interface ResolvedGiteaClientOptions {
  readonly settings: GiteaSettings;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxArchiveBytes: number;
  readonly retries: number;
  readonly maxRetryDelayMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

export function resolveOptions(options: GiteaClientOptions): ResolvedGiteaClientOptions {
  return {
    settings: options.settings ?? { origin: undefined, credential: undefined },
    timeoutMs: options.timeoutMs ?? 30_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
    maxBodyBytes: options.maxBodyBytes ?? 64 * 1024,
    maxArchiveBytes: options.maxArchiveBytes ?? 1024 ** 3,
    retries: options.retries ?? 3,
    maxRetryDelayMs: options.maxRetryDelayMs ?? 10_000,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}
