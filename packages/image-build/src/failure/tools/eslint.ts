import { placed, type ToolParser } from "./tool-parser.js";

/** `  12:5  error  'x' is not defined  no-undef`, below the name of its file. */
const STYLISH = /^\s+(\d{1,7}):(\d{1,7})\s+error\s+(.+)$/;
const RULE = /^(.*\S)\s{2,}(\S{1,100})$/;
const FILE = /^(?:\/|\.{1,2}\/|[A-Za-z]:)?[^\s:]{1,400}\.(?:[cm]?[jt]sx?|vue|svelte|astro|json)$/;
const COMPACT =
  /^(.{1,400}?): line (\d{1,7}), col (\d{1,7}), Error - (.{1,1000}?)(?: \(([^()]{1,100})\))?$/;
const MAX_DISTANCE = 50;

/** eslint and what prints as it does. */
export const parseEslint: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const stylish = STYLISH.exec(line);
  if (stylish !== null) {
    const [, row, col, said = ""] = stylish;
    const rule = RULE.exec(said);
    const code = rule?.[2];
    return {
      entry: {
        tool: "eslint",
        ...placed(fileAbove(lines, at), row, col),
        message: rule?.[1] ?? said,
        ...(code === undefined ? {} : { code }),
      },
      taken: 1,
    };
  }
  const compact = line.includes(", Error - ") ? COMPACT.exec(line) : null;
  if (compact === null) return undefined;
  const [, file, row, col, message = "", code] = compact;
  return {
    entry: {
      tool: "eslint",
      ...placed(file, row, col),
      message,
      ...(code === undefined ? {} : { code }),
    },
    taken: 1,
  };
};

function fileAbove(lines: readonly string[], at: number): string | undefined {
  for (let back = 1; back <= MAX_DISTANCE && at - back >= 0; back += 1) {
    const line = lines[at - back] ?? "";
    if (FILE.test(line)) return line;
    if (line.trim() === "") return undefined;
  }
  return undefined;
}
