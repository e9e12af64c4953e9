import { parseStepName } from "../dockerfile/dockerfile-outline.js";

/** What a builder's stream has told so far; read it once the stream has ended. */
export interface BuildOutcome {
  /** `sha256:…`, when there is an image. */
  readonly imageId: string | undefined;
  /** The engine's own verdict, when the build failed. */
  readonly failure: ReportedFailure | undefined;
  /** The step that failed, when one did. */
  readonly failedStep: FailedStep | undefined;
  /** Steps that were run or taken from the cache, FROM not counted. */
  readonly steps: number;
  readonly cachedSteps: number;
}

export interface ReportedFailure {
  /** Untrusted text, not cleaned yet. */
  readonly message: string;
  readonly exitCode: number | undefined;
  /** Of the Dockerfile, where the builder says one. */
  readonly line?: number | undefined;
}

export interface FailedStep {
  readonly id: string;
  /** As the builder names it; not cleaned yet. */
  readonly name: string;
  readonly error: string;
  readonly lastLines: readonly string[];
  /** More of what it printed, to look for errors in. */
  readonly output?: readonly string[] | undefined;
}

/** Turns what a builder tells into events. One implementation for each builder. */
export interface BuildProgress {
  /** Takes one message of the stream, whatever it is: a JSON value, or a piece of text. */
  accept(message: unknown): void;
  /** The stream is over. */
  finish(): BuildOutcome;
}

/** How steps and messages of the engine are named towards people. */
export const MAX_NAME_LENGTH = 500;

/** One line of at most {@link MAX_NAME_LENGTH}, made printable by `clean`. */
export function oneLine(text: string, clean: (text: string) => string): string {
  const line = clean(text).replace(/\s+/g, " ").trim();
  return line.length <= MAX_NAME_LENGTH ? line : `${line.slice(0, MAX_NAME_LENGTH - 1)}…`;
}

/** The failure a message of the stream reports, if it does. */
export function reportedFailure(message: object): ReportedFailure | undefined {
  const { errorDetail, error } = message as { errorDetail?: unknown; error?: unknown };
  if (typeof errorDetail === "object" && errorDetail !== null) {
    const detail = errorDetail as { code?: unknown; message?: unknown };
    const said = [detail.message, error].find((text) => typeof text === "string");
    return {
      message: said ?? "no reason given",
      exitCode: typeof detail.code === "number" ? detail.code : undefined,
    };
  }
  return typeof error === "string" ? { message: error, exitCode: undefined } : undefined;
}

/** The image id of an `aux` value, if it is one. */
export function auxImageId(aux: unknown): string | undefined {
  const id = typeof aux === "object" && aux !== null ? (aux as { ID?: unknown }).ID : undefined;
  return typeof id === "string" && /^sha256:[0-9a-f]{64}$/.test(id) ? id : undefined;
}

/** The steps that BuildKit stopped because another one failed, or because it was told to. */
export function isCancellation(error: string): boolean {
  return error.endsWith("context canceled");
}

/** Whether a step is an instruction that is run or cached; FROM is not. */
export function isInstruction(name: string): boolean {
  const step = parseStepName(name);
  return step !== undefined && !/^FROM\b/i.test(step.text);
}

/** A cache that was looked for in vain: its step fails, and no build does because of it. */
export function isCacheImport(name: string): boolean {
  return name.startsWith("importing cache manifest from ");
}
