import { LOOKAHEAD, placed, type ToolFinding, type ToolParser } from "./tool-parser.js";

const HEAD = /^(\s*(?:\| )?)Traceback \(most recent call last\):$/;
const FRAME = /^\s*(?:\| )?File "(.{1,400}?)", line (\d{1,7})/;
const EXCEPTION = /^([A-Za-z_][\w.]{0,200})(?:: (.*))?$/;
/** Not what was written for this image: the standard library and what was installed. */
const LIBRARY = /site-packages|dist-packages|\/lib\/python\d|^<frozen |\/pip\/_vendor\//;

const MISSING_MODULE =
  "Python does not find the module: install it before this step, or correct PYTHONPATH.";

/** A traceback; its place is the innermost frame that is no library. */
export const parsePython: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const head = line.includes("Traceback") ? HEAD.exec(line) : null;
  if (head !== null) return readTraceback(lines, at, (head[1] ?? "").length);
  const frame = line.trimStart().startsWith('File "') ? FRAME.exec(line) : null;
  return frame === null ? undefined : readSyntaxError(lines, at, frame);
};

function readTraceback(
  lines: readonly string[],
  at: number,
  indent: number,
): ToolFinding | undefined {
  let own: RegExpExecArray | undefined;
  let last: RegExpExecArray | undefined;
  for (let taken = 1; taken < LOOKAHEAD && at + taken < lines.length; taken += 1) {
    const line = lines[at + taken] ?? "";
    const frame = FRAME.exec(line);
    if (frame !== null) {
      last = frame;
      if (!LIBRARY.test(frame[1] ?? "")) own = frame;
    } else if (line.search(/\S/) <= indent && line.trim() !== "") {
      const place = own ?? last;
      return { entry: describe(line, placed(place?.[1], place?.[2])), taken: taken + 1 };
    }
  }
  return undefined;
}

/** Python has no traceback for a file that it cannot read. */
function readSyntaxError(
  lines: readonly string[],
  at: number,
  frame: RegExpExecArray,
): ToolFinding | undefined {
  for (let taken = 1; taken <= 5; taken += 1) {
    const line = (lines[at + taken] ?? "").trim();
    if (!/^(?:Syntax|Indentation|Tab)Error\b/.test(line)) continue;
    return { entry: describe(line, placed(frame[1], frame[2])), taken: taken + 1 };
  }
  return undefined;
}

function describe(line: string, place: ReturnType<typeof placed>): ToolFinding["entry"] {
  const found = EXCEPTION.exec(line.trim().replace(/^\| /, ""));
  const code = found?.[1];
  const message = found?.[2];
  return {
    tool: "python",
    ...place,
    message: line.trim(),
    ...(code === undefined ? {} : { code }),
    ...(code === "ModuleNotFoundError" || (code === "ImportError" && message !== undefined)
      ? { hint: MISSING_MODULE }
      : {}),
  };
}
