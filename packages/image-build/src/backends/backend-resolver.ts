import { systemClock, type Clock } from "@molecule-ai/core";
import type { BuildOptions } from "../image-builder.js";
import type { BuildBackend } from "./backend.js";
import {
  checkNeed,
  pickBackend,
  takeBackend,
  type ResolveBackendOptions,
} from "./resolve-backend.js";
import { surveyBackends, type Survey } from "./survey.js";

export interface BackendResolverOptions extends Omit<
  ResolveBackendOptions,
  "need" | "signal" | "onEvent"
> {
  readonly clock?: Clock | undefined;
  /** How long what was found is believed; default 60 seconds. */
  readonly keepMs?: number | undefined;
}

const DEFAULT_KEEP_MS = 60_000;

/**
 * `resolveBackend` for many builds in a row: what was found on the machine, and a builder that
 * was started, are believed for a while instead of being asked for before every build. Failures are
 * not kept.
 */
export function createBackendResolver(
  options: BackendResolverOptions,
): (request: {
  readonly need: BuildOptions;
  readonly signal: AbortSignal;
}) => Promise<BuildBackend> {
  const { clock = systemClock, keepMs = DEFAULT_KEEP_MS } = options;
  let survey: { readonly value: Survey; readonly until: number } | undefined;
  const backends = new Map<string, { readonly value: BuildBackend; readonly until: number }>();
  const isFresh = (kept: { readonly until: number } | undefined): boolean =>
    kept !== undefined && clock.monotonic() < kept.until;

  return async ({ need, signal }) => {
    signal.throwIfAborted();
    if (survey === undefined || !isFresh(survey)) {
      const value = await surveyBackends({ ...options, signal });
      survey = { value, until: clock.monotonic() + keepMs };
    }
    const found = survey.value;
    let winner;
    try {
      winner = pickBackend(found, { ...options, need, signal });
    } catch (error) {
      // What could not be used may be repaired by now: the next build looks again.
      survey = undefined;
      throw error;
    }
    const key = `${winner.candidate.name} ${winner.candidate.builder ?? ""}`;
    const kept = backends.get(key);
    if (kept !== undefined && isFresh(kept)) {
      checkNeed(need, kept.value);
      return kept.value;
    }
    const value = await takeBackend(winner, found, {
      ...options,
      need,
      signal,
      onEvent: need.onEvent,
    });
    backends.set(key, { value, until: clock.monotonic() + keepMs });
    return value;
  };
}
