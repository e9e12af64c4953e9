import type { ToolParser } from "./tool-parser.js";

/** `error Couldn't find package "x"` of yarn 1. */
const CLASSIC =
  /^error ((?:Couldn't|An unexpected|Your lockfile|Command failed|Package|Received|https?:\/\/|Integrity|Found incompatible|Error:|No lockfile).*)$/;
/** `➤ YN0035: │ x@npm:1: not found` of yarn 2 and later. */
const BERRY = /^➤ (YN\d{4}): (?:[│┌└] ?)?(.+)$/;
/** What is no error in itself. */
const BERRY_NOTES = new Set(["YN0000", "YN0002", "YN0013", "YN0019", "YN0060", "YN0086"]);

const HINT = "yarn refuses the dependencies: check package.json and yarn.lock.";

/** yarn, classic and modern. */
export const parseYarn: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const classic = CLASSIC.exec(line)?.[1];
  if (classic !== undefined)
    return { entry: { tool: "yarn", message: classic, hint: HINT }, taken: 1 };
  const berry = BERRY.exec(line);
  const code = berry?.[1];
  if (code === undefined || BERRY_NOTES.has(code)) return undefined;
  return { entry: { tool: "yarn", code, message: berry?.[2] ?? "", hint: HINT }, taken: 1 };
};
