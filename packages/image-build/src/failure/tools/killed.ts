import type { Symptom } from "./tool-parser.js";

export const KILLED: Symptom = {
  pattern:
    /^\s*Killed$|killed signal terminated program|signal: killed|out of memory|cannot allocate memory|\bMemoryError\b/im,
  hint: "The step was killed, most likely for want of memory: give the engine more, or make the step smaller.",
};
