import type { EngineErrorCode } from "@molecule-ai/docker-engine";

/** Who has to do something about a failed push. */
export type PushFailureClass = "credentials" | "registry" | "network" | "engine" | "unknown";

/** Why a push failed. */
export interface PushFailure {
  readonly reason: string;
  readonly class: PushFailureClass;
  /** It may pass by itself. */
  readonly isPassing: boolean;
}

const failure = (reason: string, kind: PushFailureClass, isPassing = false): PushFailure => ({
  reason,
  class: kind,
  isPassing,
});

/**
 * What is looked for in the words of a failure, in this order. A number counts only as a word of its
 * own: digests and ports are full of them.
 */
const SIGNS: readonly (readonly [sign: RegExp, failure: PushFailure])[] = [
  [/500 internal server error/, failure("HTTP 500", "registry", true)],
  [
    /\b401\b|unauthorized|no basic auth credentials/,
    failure("authentication failed", "credentials"),
  ],
  [/\b403\b|denied/, failure("permission denied", "credentials")],
  [/\b404\b|not found/, failure("repository not found", "registry")],
  [/timeout|deadline/, failure("connection timed out", "network", true)],
  [/no such host|\blookup\b/, failure("DNS resolution failed", "network", true)],
  [/certificate|x509/, failure("TLS certificate error", "network")],
  [/\b429\b|too ?many ?requests/, failure("rate limited", "registry", true)],
  [/\b502\b|bad gateway/, failure("HTTP 502", "registry", true)],
  [/\b503\b|service unavailable/, failure("HTTP 503", "registry", true)],
  [/\b504\b/, failure("HTTP 504", "registry", true)],
  [/no space left/, failure("no space left", "registry")],
  [
    /connection (?:refused|reset|broken|closed)|broken pipe|\beof\b|network is unreachable|no route to host|\b(?:dial|read|write) tcp\b|closed (?:idle|network) connection/,
    failure("connection lost", "network", true),
  ],
];

const UNKNOWN = failure("push failed", "unknown");

/** Why a push failed, by what was said of it; the first sign that fits decides. */
export function classifyPushFailure(text: string): PushFailure {
  const lower = text.toLowerCase();
  return SIGNS.find(([sign]) => sign.test(lower))?.[1] ?? UNKNOWN;
}

/**
 * Why a push failed that the engine could not name. Where its words say nothing, and the registry does
 * not answer the engine's question after the image either, it is the registry that is away.
 */
export function classifyUnnamedFailure(
  text: string,
  registryStatus: number | undefined,
): PushFailure {
  const said = classifyPushFailure(text);
  return said === UNKNOWN && registryStatus !== undefined && registryStatus >= 500
    ? failure("registry does not answer", "network", true)
    : said;
}

/** `authentication failed (credentials)`; for an unknown reason without a class. */
export function describePushFailure({ reason, class: kind }: PushFailure): string {
  return kind === "unknown" ? reason : `${reason} (${kind})`;
}

/** What the engine knows for sure of a failure; undefined where its words have to do. */
export function failureOfEngineCode(code: EngineErrorCode): PushFailure | undefined {
  switch (code) {
    case "ERR_PUSH_UNAUTHORIZED":
      return failure("authentication failed", "credentials");
    case "ERR_PUSH_FORBIDDEN":
      return failure("permission denied", "credentials");
    case "ERR_PUSH_NOT_FOUND":
      return failure("repository not found", "registry");
    case "ERR_PUSH_RATE_LIMITED":
      return failure("rate limited", "registry", true);
    case "ERR_ENGINE_IMAGE_NOT_FOUND":
    case "ERR_ENGINE_NOT_FOUND":
      return failure("image not on the engine", "engine");
    case "ERR_ENGINE_UNREACHABLE":
    case "ERR_ENGINE_TRUNCATED":
    case "ERR_ENGINE_TIMEOUT":
      return failure("engine lost", "engine", true);
    case "ERR_ENGINE_PERMISSION":
    case "ERR_ENGINE_CLOSED":
    case "ERR_ENGINE_SETTINGS":
    case "ERR_ENGINE_UNSUPPORTED":
    case "ERR_ENGINE_BAD_REQUEST":
      return failure("engine refused", "engine");
    default:
      return undefined;
  }
}

const PROJECT_WORDS = /harbor|denied|unauthorized|manifest|repository/;

/**
 * Whether a Harbor registry refused a push because its project does not exist: it says so in words
 * only, and with those of other refusals.
 */
export function isHarborProjectMissing(providers: readonly string[], text: string): boolean {
  const lower = text.toLowerCase();
  return (
    providers.includes("harbor") &&
    lower.includes("project") &&
    (lower.includes("not found") || lower.includes("does not exist")) &&
    PROJECT_WORDS.test(lower)
  );
}
