import { placed, type ToolParser } from "./tool-parser.js";

const TROUBLE = /error|undefined|failed/i;
const AT_LINE = /^([^:]{1,400}):(\d{1,7}):(.*)$/;
/** The builder's own rules, headings and source lines. */
const FRAME = /^(?:#|---|> \[|\[[^\]]{0,200}\d\/\d{1,6}\] |\d{1,7} \| )/;

/** A line that speaks of an error with something after a colon. */
export const parseGeneric: ToolParser = (lines, at) => {
  const line = (lines[at] ?? "").trim();
  if (!line.includes(":") || line.includes(" => ")) return undefined;
  if (line.endsWith(":") || !TROUBLE.test(line) || FRAME.test(line)) return undefined;
  const found = AT_LINE.exec(line);
  const message = found === null ? line : (found[3] ?? "").trim();
  return {
    entry: { tool: "generic", ...placed(found?.[1], found?.[2]), message },
    taken: 1,
    minor: true,
  };
};
