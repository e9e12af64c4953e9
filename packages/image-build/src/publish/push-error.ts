import { ImageBuildError } from "../errors.js";
import { describePushFailure, type PushFailure, type PushFailureClass } from "./push-failure.js";

/** A tag that is at its registry. */
export interface PushedTag {
  readonly tag: string;
  /** Of the manifest or index. */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface PushErrorFacts {
  /** The tag that failed. */
  readonly tag: string;
  readonly failure: PushFailure;
  /** What the engine, the program or the registry said: cleaned and bounded. */
  readonly text: string;
  /** Of a program that pushed; undefined for the engine. */
  readonly exitCode?: number | undefined;
  /** Of HTTP, where it is known. */
  readonly status?: number | undefined;
  /** What was pushed before, in order. */
  readonly pushed?: readonly PushedTag[] | undefined;
  /** What was not, beginning with `tag`: pass it to go on. */
  readonly remaining?: readonly string[] | undefined;
  /** A project of Harbor that has to be created first. */
  readonly isProjectMissing?: boolean | undefined;
  readonly cause?: unknown;
}

/** A push that stopped at a tag: code `ERR_PUSH_FAILED`. */
export class PushError extends ImageBuildError {
  readonly tag: string;
  readonly failureClass: PushFailureClass;
  /** `permission denied (credentials)`. */
  readonly reason: string;
  readonly text: string;
  readonly exitCode: number | undefined;
  readonly status: number | undefined;
  readonly pushed: readonly PushedTag[];
  readonly remaining: readonly string[];
  readonly isProjectMissing: boolean;

  constructor(facts: PushErrorFacts) {
    const reason = describePushFailure(facts.failure);
    const { tag, text, exitCode, status, pushed = [], remaining = [tag] } = facts;
    const said = text === "" ? "" : `: ${text}`;
    super("ERR_PUSH_FAILED", `Push of ${tag} failed, ${reason}${said}`, {
      hint: hintOf(facts),
      retryable: facts.failure.isPassing,
      details: {
        tag,
        reason,
        class: facts.failure.class,
        text,
        exitCode: exitCode ?? null,
        status: status ?? null,
        pushed: pushed.map((entry) => entry.tag),
        remaining,
      },
      cause: facts.cause,
    });
    this.tag = tag;
    this.failureClass = facts.failure.class;
    this.reason = reason;
    this.text = text;
    this.exitCode = exitCode;
    this.status = status;
    this.pushed = pushed;
    this.remaining = remaining;
    this.isProjectMissing = facts.isProjectMissing ?? false;
  }
}

/** A failed publish as a report shows it; for anything but a {@link PushError} with what else is known. */
export function summarizePushFailure(
  error: unknown,
  fallbackText: string,
): { readonly tag: string | undefined; readonly exitCode: number; readonly text: string } {
  if (!(error instanceof PushError)) return { tag: undefined, exitCode: 1, text: fallbackText };
  return { tag: error.tag, exitCode: error.exitCode ?? 1, text: error.text };
}

function hintOf({ failure, isProjectMissing, pushed, tag }: PushErrorFacts): string {
  if (isProjectMissing === true) return `Create the project of ${tag} in Harbor, then go on.`;
  const done = (pushed?.length ?? 0) > 0 ? " What was pushed before need not be pushed again." : "";
  switch (failure.class) {
    case "credentials":
      return `Check the credentials for its registry, and that they may write there.${done}`;
    case "registry":
      return `Look at the registry: its log, its space, and whether the repository may be created.${done}`;
    case "network":
      return `Check the way from the engine to the registry, then go on.${done}`;
    case "engine":
      return `Check that the engine runs and has the image, then go on.${done}`;
    case "unknown":
      return `See what was said; then go on with the tags that remain.${done}`;
    default:
      return failure.class satisfies never;
  }
}
