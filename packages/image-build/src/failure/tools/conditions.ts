import { DISK_FULL } from "./disk.js";
import { EXEC_FORMAT } from "./exec-format.js";
import { KILLED } from "./killed.js";
import { NETWORK } from "./network.js";
import type { Symptom, ToolParser } from "./tool-parser.js";

/** Troubles of the machine and not of the Dockerfile: whatever else is said, these come first. */
const CONDITIONS: readonly (Symptom & { readonly tool: string })[] = [
  // Most telling first.
  { tool: "disk", ...DISK_FULL },
  { tool: "platform", ...EXEC_FORMAT },
  { tool: "network", ...NETWORK },
  { tool: "memory", ...KILLED },
];

/** What to do about the most telling trouble of the machine that the text speaks of. */
export function conditionHint(text: string): string | undefined {
  return CONDITIONS.find(({ pattern }) => pattern.test(text))?.hint;
}

/** Lines that no tool claims. */
export const parseCondition: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const found = CONDITIONS.find(({ pattern }) => pattern.test(line));
  if (found === undefined) return undefined;
  return { entry: { tool: found.tool, message: line.trim(), hint: found.hint }, taken: 1 };
};
