import type { ToolParser } from "./tool-parser.js";

const NO_SOLUTION = /^(?:error: | {2}× )(No solution found .*)$/;
const CAUSE = /^\s*(?:cause: |╰─▶ )(.+)$/;
const ERROR =
  /^error: ((?:Failed to (?:fetch|download|build|parse|install|prepare|extract|resolve)|Failed to read .{0,100}requirements|The lockfile at|No virtual environment found|Distribution not found|Project virtual environment).*)$/;

const HINT =
  "uv cannot combine the requirements: check names and versions, and the Python of the base image.";

/** uv, a replacement of pip; with its reason on the next line. */
export const parseUv: ToolParser = (lines, at) => {
  const unsolved = NO_SOLUTION.exec(lines[at] ?? "")?.[1];
  if (unsolved !== undefined) {
    const cause = CAUSE.exec(lines[at + 1] ?? "")?.[1];
    const message = cause ?? unsolved;
    return { entry: { tool: "uv", message, hint: HINT }, taken: cause === undefined ? 1 : 2 };
  }
  const message = ERROR.exec(lines[at] ?? "")?.[1];
  return message === undefined ? undefined : { entry: { tool: "uv", message }, taken: 1 };
};
