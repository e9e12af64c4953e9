import type { BuildBackend } from "../backends/backend.js";
import type { DockerfileOutline } from "../dockerfile/dockerfile-outline.js";
import { ImageBuildError } from "../errors.js";
import { exitCodeOf } from "../failure/error-block.js";
import { explainFailure } from "../failure/build-failure.js";
import { classifyPushFailure } from "../publish/push-failure.js";
import { PushError } from "../publish/push-error.js";
import { oneLine, type BuildOutcome, type ReportedFailure } from "../progress/build-progress.js";

export interface BuildxFailureFacts {
  readonly outcome: BuildOutcome;
  /** How the program ended. */
  readonly status: string;
  /** End of what it wrote to standard error. */
  readonly stderr: string;
  readonly subject: string;
  readonly tags: readonly string[];
  readonly backend: Pick<BuildBackend, "builder">;
  readonly dockerfile: string;
  readonly outline: DockerfileOutline | undefined;
  readonly clean: (text: string) => string;
}

/** The line to the builder broke in the middle of something. */
const LOST =
  /code = Unavailable|error reading from server|failed to receive status|error reading preface|transport is closing|closing transport|graceful_stop/;
/** There is no builder at the other end. Of a step, such words are about its own network. */
const UNREACHABLE =
  /Cannot connect to the Docker daemon|error during connect|failed to (?:list workers|dial)|connection (?:refused|reset|error)|no such host|broken pipe|\bEOF$/;
const UNSUPPORTED =
  /is not supported for the \S{1,40} driver|currently unsupported by the current BuildKit daemon|exporter "[^"]{1,40}" could not be found|unknown flag: |unknown (?:cache )?exporter|subdir not supported yet|requires (?:buildkit|buildx)/i;
const NO_BUILDER = /^no builder "[^"]{0,200}" found/;
const PUSH = /failed to push|push access denied/i;
/** The docker driver's own step for each tag. */
const PUSH_STEP = /^pushing (\S+)/;
/** What BuildKit, and not buildx, said. */
const SOLVE = /^(?:failed to (?:solve|build)|dockerfile|target stage )/i;

const MAX_FALLBACK_LENGTH = 2000;

/** Makes of a build that buildx gave up the error that says where and why. */
export function explainBuildxFailure(facts: BuildxFailureFacts): ImageBuildError {
  const { outcome, subject, backend, tags, clean } = facts;
  const failure = outcome.failure ?? {
    message: lastWords(facts),
    exitCode: undefined,
  };
  const { message } = failure;
  const reason = oneLine(message, clean);
  const builder = backend.builder ?? "buildx";
  const fail = (
    code: ConstructorParameters<typeof ImageBuildError>[0],
    text: string,
    hint: string,
    retryable?: boolean,
  ): ImageBuildError =>
    new ImageBuildError(code, `${subject}: ${text}`, { hint, retryable, details: { reason } });

  // What a command printed or is called says nothing of the builder.
  if (outcome.failedStep !== undefined && exitCodeOf(outcome.failedStep.error) !== undefined) {
    return explainStep(failure, facts);
  }
  if (NO_BUILDER.test(message)) {
    return fail(
      "ERR_BUILDER",
      `there is no builder ${builder}.`,
      "Make it first, or name another one; buildx ls lists those there are.",
    );
  }
  if (UNSUPPORTED.test(message)) {
    return fail(
      "ERR_BUILD_BACKEND",
      `the builder ${builder} cannot do what is asked: ${reason}`,
      "Leave that option out, or build with another backend or a newer buildx.",
    );
  }
  const pushStep = PUSH_STEP.exec(outcome.failedStep?.name ?? "");
  if (pushStep !== null || PUSH.test(message)) {
    const named = pushStep?.[1] ?? /failed to push (\S+?):? /.exec(message)?.[1];
    return new PushError({
      tag: tags.find((tag) => tag === named) ?? tags[0] ?? subject,
      failure: classifyPushFailure(reason),
      text: reason,
      remaining: tags,
    });
  }
  if (outcome.failedStep === undefined || LOST.test(outcome.failedStep.error)) {
    if (LOST.test(message) || UNREACHABLE.test(message)) {
      return fail(
        "ERR_BUILD_ENGINE_LOST",
        `the connection to the builder ${builder} broke off before the build was done: ${reason}`,
        "Check that its engine runs and has not been restarted, then build again: finished steps are cached.",
        true,
      );
    }
    if (!SOLVE.test(message)) {
      return fail(
        "ERR_BUILDX_FAILED",
        `buildx ended with ${facts.status}: ${reason}`,
        "Look at what it said; if it is not about this build, check the version of buildx and its builder.",
      );
    }
  }
  return explainStep(failure, facts);
}

function explainStep(
  failure: ReportedFailure,
  { outcome, dockerfile, outline, clean }: BuildxFailureFacts,
): ImageBuildError {
  return explainFailure(
    { ...outcome, failure },
    { backend: "buildkit", dockerfile, outline, pullFailures: new Map(), clean },
  );
}

/** Something is always shown, also of a program that ended without its error. */
function lastWords({ outcome, stderr, status }: BuildxFailureFacts): string {
  if (outcome.failedStep !== undefined) return outcome.failedStep.error;
  const words = stderr
    .split("\n")
    .filter((line) => /^[^\s{}]/.test(line))
    .join(" ");
  return words === "" ? status : words.slice(-MAX_FALLBACK_LENGTH);
}
