import { placed, type ToolParser } from "./tool-parser.js";

/** `a.ts(1,7): error TS2322: …`, also `Program.cs(3,5): error CS1002: …`. */
const PLAIN = /^([^\s(][^(]{0,400})\((\d{1,7}),(\d{1,7})\): error ([A-Z]{1,8}\d{1,6}): (.+)$/;
/** `a.ts:1:7 - error TS2322: …` */
const PRETTY = /^([^\s:][^:]{0,400}):(\d{1,7}):(\d{1,7}) - error (TS\d{1,6}): (.+)$/;
const BARE = /^(?:tsc: )?error (TS\d{1,6}): (.+)$/;

/** tsc, and compilers of .NET that write alike. */
export const parseTypescript: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  if (!line.includes("error ")) return undefined;
  const found = PLAIN.exec(line) ?? PRETTY.exec(line);
  if (found !== null) {
    const [, file, row, col, code = "", message = ""] = found;
    const tool = code.startsWith("TS") ? "tsc" : "dotnet";
    return {
      entry: { tool, ...placed(file, row, col), code, message, hint: hintFor(code) },
      taken: 1,
    };
  }
  const bare = BARE.exec(line);
  if (bare === null) return undefined;
  const [, code = "", message = ""] = bare;
  return { entry: { tool: "tsc", code, message, hint: hintFor(code) }, taken: 1 };
};

function hintFor(code: string): string | undefined {
  return code === "TS2307" || code === "TS7016"
    ? "The module or its types are not in the image: install dependencies before compiling, development ones included."
    : undefined;
}
