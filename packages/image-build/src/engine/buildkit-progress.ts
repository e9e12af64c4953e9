import {
  auxImageId,
  reportedFailure,
  type BuildProgress,
  type ReportedFailure,
} from "../progress/build-progress.js";
import { createTraceFollower, type BuildProgressOptions } from "../progress/trace-follower.js";
import { ImageBuildError } from "../errors.js";
import { decodeTrace } from "./trace.js";

/** Follows a build of an engine's BuildKit: its trace messages, the image id, the failure. */
export function createBuildkitProgress(options: BuildProgressOptions): BuildProgress {
  const follower = createTraceFollower(options);
  let imageId: string | undefined;
  let failure: ReportedFailure | undefined;
  let unreadable = false;

  const acceptTrace = (aux: string): void => {
    try {
      follower.accept(decodeTrace(Buffer.from(aux, "base64")));
    } catch (error) {
      if (!(error instanceof ImageBuildError)) throw error;
      // The result does not depend on what could not be shown.
      if (!unreadable) {
        options.emit({
          type: "warning",
          code: "WARN_BUILD_TRACE",
          message: error.message,
          hint: error.hint,
        });
      }
      unreadable = true;
    }
  };

  return {
    accept(message) {
      if (typeof message !== "object" || message === null) return;
      failure = reportedFailure(message) ?? failure;
      const { id, aux } = message as { id?: unknown; aux?: unknown };
      if (id === "moby.image.id") imageId = auxImageId(aux) ?? imageId;
      else if (id === "moby.buildkit.trace" && typeof aux === "string") acceptTrace(aux);
    },
    finish: () => ({ imageId, failure, ...follower.finish() }),
  };
}
