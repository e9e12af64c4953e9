import type { ToolParser } from "./tool-parser.js";

const UNSOLVED = /^\s*(?:So, )?[Bb]ecause .{1,1500}version solving failed\.$/;
const LOCK = /^(pyproject\.toml changed significantly since poetry\.lock was last generated.*)$/;

/** poetry. */
export const parsePoetry: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  if (UNSOLVED.test(line)) {
    const hint =
      "poetry cannot combine the requirements: check names and versions in pyproject.toml.";
    return { entry: { tool: "poetry", message: line.trim(), hint }, taken: 1 };
  }
  const message = LOCK.exec(line)?.[1];
  if (message === undefined) return undefined;
  const hint = "Run poetry lock and add poetry.lock to the context.";
  return { entry: { tool: "poetry", file: "poetry.lock", message, hint }, taken: 1 };
};
