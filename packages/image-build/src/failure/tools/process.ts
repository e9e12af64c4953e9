import type { ToolParser } from "./tool-parser.js";

/** That something ended with a code, said by nobody in particular. */
export const parseProcess: ToolParser = (lines, at) => {
  const line = (lines[at] ?? "").trim();
  if (!/exit code:|exit status/i.test(line)) return undefined;
  return { entry: { tool: "process", message: line }, taken: 1, minor: true };
};
