/** The first wait is at most this long; each later one at most twice the one before. */
const FIRST_DELAY_MS = 250;

const SECONDS = /^[0-9]{1,10}$/;

// IMF-fixdate. The two obsolete forms of HTTP dates are not sent by any server in question.
const HTTP_DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** A Retry-After header as milliseconds from `now`; undefined when absent or not well formed. */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? "";
  if (SECONDS.test(text)) return Number(text) * 1000;
  if (!HTTP_DATE.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/**
 * How long to wait before the next try, or undefined when the server asks for more patience than
 * `longestMs`. `attempt` counts from 0; `random` is in [0, 1): full jitter, and on top of what the
 * server asked for, so that not everybody comes back in the same instant.
 */
export function retryDelay(options: {
  readonly attempt: number;
  readonly random: number;
  readonly retryAfterMs: number | undefined;
  readonly longestMs: number;
}): number | undefined {
  const { attempt, random, retryAfterMs = 0, longestMs } = options;
  if (retryAfterMs > longestMs) return undefined;
  const backoff = Math.min(longestMs, FIRST_DELAY_MS * 2 ** attempt) * random;
  return Math.min(longestMs, retryAfterMs + backoff);
}
