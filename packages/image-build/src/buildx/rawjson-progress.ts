import { parseErrorBlock, reportedByBlock } from "../failure/error-block.js";
import type { BuildProgress } from "../progress/build-progress.js";
import { createTraceFollower, type BuildProgressOptions } from "../progress/trace-follower.js";
import { createJsonFrames } from "./json-frames.js";
import { readSolveStatus } from "./rawjson.js";

/** Lines between and after the objects: warnings, and the error at the end. */
const MAX_LOOSE_LINES = 1000;

/** Follows a build by what `buildx build --progress=rawjson` writes to standard error. */
export function createRawjsonProgress(options: BuildProgressOptions): BuildProgress {
  const { emit } = options;
  const follower = createTraceFollower(options);
  const loose: string[] = [];
  let unreadable = false;
  const frames = createJsonFrames({
    onValue: (value) => follower.accept(readSolveStatus(value)),
    onText(line) {
      if (loose.length >= MAX_LOOSE_LINES) loose.shift();
      loose.push(line);
    },
    onOversized() {
      if (!unreadable) {
        emit({
          type: "warning",
          code: "WARN_BUILD_TRACE",
          message: "A progress message of buildx is too long to be shown.",
          hint: "The build itself is not affected.",
        });
      }
      unreadable = true;
    },
  });

  return {
    accept(message) {
      if (message instanceof Uint8Array) frames.write(message);
    },
    finish() {
      frames.end();
      return {
        imageId: undefined,
        failure: reportedByBlock(parseErrorBlock(loose)),
        ...follower.finish(),
      };
    },
  };
}
