import type { Symptom } from "./tool-parser.js";

export const SOURCE_MISSING: Symptom = {
  pattern:
    /failed to (?:calculate checksum|compute cache key).{0,500}not found|": not found|" not found: not found|(?:COPY|ADD) failed: (?:file not found|no source files|forbidden path)|file not found in build context|failed to walk|lstat .{1,300}: no such file/i,
  hint: "The source must exist in the build context: check its name and .dockerignore.",
};

/** COPY and ADD: what is missing in the context, and a download that is not what was named. */
export const COPY_SYMPTOMS: readonly Symptom[] = [
  {
    pattern: /digest mismatch|checksum mismatch/i,
    hint: "The download is not what ADD --checksum names: update the checksum if that is intended.",
  },
  SOURCE_MISSING,
];
