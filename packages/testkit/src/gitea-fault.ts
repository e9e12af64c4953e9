import { htmlAnswer, jsonAnswer, type Answer, type Cut } from "./gitea-answer.js";
import type { TestFiles } from "./git-files.js";

/** The parts of the server a fault can strike. */
export type GiteaPart = "api" | "archive" | "git";

interface Aim {
  /** Which requests are struck. Default `api`. */
  readonly on?: GiteaPart | "all" | undefined;
  /** How many requests are struck before the fault is over. Default: all, for `moving-head` one. */
  readonly count?: number | undefined;
}

/** What goes wrong. */
export type GiteaFault = Aim &
  (
    | { readonly kind: "slow"; /** Milliseconds before the answer. */ readonly delayMs: number }
    /** The answer starts, then nothing more comes while the connection stays open. */
    | { readonly kind: "stall"; readonly afterBytes?: number | undefined }
    /** The answer starts, then the connection is dropped. */
    | { readonly kind: "truncated"; readonly afterBytes?: number | undefined }
    /** The connection is dropped before a byte is sent. */
    | { readonly kind: "drop-connection" }
    | {
        readonly kind: "status";
        readonly status: number;
        /** Value of the Retry-After header: seconds or an HTTP date. */
        readonly retryAfter?: string | number | undefined;
      }
    /** 200 with a sign-in page, as proxies answer. */
    | { readonly kind: "html" }
    /** 200 that says JSON and is not. */
    | { readonly kind: "malformed" }
    /** The right answer inside too many bytes (default 10 MB), also without telling its length. */
    | {
        readonly kind: "oversized";
        readonly bytes?: number | undefined;
        readonly chunked?: boolean | undefined;
      }
    /** To the same path of another origin, or to `to` (a URL or a path). Default status 302. */
    | {
        readonly kind: "redirect";
        readonly to?: string | undefined;
        readonly status?: number | undefined;
      }
    /** The commit in the answer is cut to its first 7 digits. */
    | { readonly kind: "short-sha" }
    /** The commit in the answer has its length, but is not hexadecimal. */
    | { readonly kind: "non-hex-sha" }
    /** The answer names no commit. */
    | { readonly kind: "missing-sha" }
    /** Valid, indented JSON in which other ids come before that of the commit. */
    | { readonly kind: "pretty-json" }
    /** A new commit lands on the branch right after the answer that names its head was made. */
    | { readonly kind: "moving-head"; readonly files?: TestFiles | undefined }
  );

/** Hands out a fault as often as it says. */
export class FaultPlan {
  #fault: GiteaFault | undefined;
  #left = 0;

  set(fault: GiteaFault | undefined): void {
    this.#fault = fault;
    this.#left = fault?.count ?? (fault?.kind === "moving-head" ? 1 : Number.POSITIVE_INFINITY);
  }

  /** The fault that strikes a request of this kind, if one does. */
  take(route: {
    readonly part: GiteaPart;
    readonly isHeadLookup: boolean;
  }): GiteaFault | undefined {
    const fault = this.#fault;
    if (fault === undefined || this.#left <= 0) return undefined;
    if (fault.on !== "all" && (fault.on ?? "api") !== route.part) return undefined;
    if (fault.kind === "moving-head" && !route.isHeadLookup) return undefined;
    this.#left -= 1;
    return fault;
  }
}

/** The answer some faults give without asking the server. `target` is where `redirect` leads. */
export function answerInstead(fault: GiteaFault | undefined, target: string): Answer | undefined {
  switch (fault?.kind) {
    case "status": {
      const answer = jsonAnswer(fault.status, { message: `status ${fault.status}` });
      if (fault.retryAfter === undefined) return answer;
      return { ...answer, headers: { ...answer.headers, "retry-after": `${fault.retryAfter}` } };
    }
    case "html":
      return htmlAnswer(200, "Sign In");
    case "malformed":
      return { ...jsonAnswer(200, {}), body: Buffer.from('{"name":"main","commit":{"id":"') };
    case "redirect":
      return {
        status: fault.status ?? 302,
        headers: { location: fault.to ?? target },
        body: Buffer.alloc(0),
      };
    default:
      return undefined;
  }
}

/** Where the body of an answer ends too early. */
export function cutOf(fault: GiteaFault | undefined): Cut | undefined {
  if (fault?.kind === "stall") return { afterBytes: fault.afterBytes ?? 16, ending: "stall" };
  if (fault?.kind === "truncated") return { afterBytes: fault.afterBytes ?? 16, ending: "drop" };
  return undefined;
}

/** The right answer made wrong. Only JSON answers of status 200 change. */
export function reshape(answer: Answer, fault: GiteaFault | undefined): Answer {
  if (fault === undefined || answer.status !== 200 || !(answer.body instanceof Uint8Array)) {
    return answer;
  }
  const record = JSON.parse(Buffer.from(answer.body).toString("utf8")) as Record<string, unknown>;
  switch (fault.kind) {
    case "oversized": {
      const padding = "x".repeat(fault.bytes ?? 10 * 1024 * 1024);
      const large = jsonAnswer(200, { ...record, padding });
      return fault.chunked === true
        ? { ...large, body: inChunks(large.body as Uint8Array) }
        : large;
    }
    case "short-sha":
      return jsonAnswer(
        200,
        withSha(record, (sha) => sha.slice(0, 7)),
      );
    case "non-hex-sha":
      return jsonAnswer(
        200,
        withSha(record, (sha) => `z${sha.slice(1)}`),
      );
    case "missing-sha":
      return jsonAnswer(
        200,
        withSha(record, () => undefined),
      );
    case "pretty-json":
      return jsonAnswer(200, { id: "7".repeat(40), owner: { id: "1".repeat(40) }, ...record }, 2);
    default:
      return answer;
  }
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** Changes the commit in the answer about a branch, a tag or a commit. */
function withSha(
  record: Record<string, unknown>,
  change: (sha: string) => string | undefined,
): Record<string, unknown> {
  const changed = { ...record };
  for (const key of ["id", "sha"]) {
    const value = changed[key];
    if (typeof value === "string") changed[key] = change(value);
  }
  const commit = changed["commit"];
  if (typeof commit === "object" && commit !== null) {
    changed["commit"] = withSha(commit as Record<string, unknown>, change);
  }
  return changed;
}
