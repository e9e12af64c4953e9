import { LOOKAHEAD, placed, type ToolParser } from "./tool-parser.js";

const ERROR = /^(?:Uncaught )?([A-Z][A-Za-z]{0,60}Error|Error)(?: \[([A-Z0-9_]{1,60})\])?: (.+)$/;
const FRAME = /^\s+at (?:.{0,300} )?\(?(?:file:\/\/)?([^\s():]{1,400}):(\d{1,7}):(\d{1,7})\)?$/;
const STACK = /^\s+at /;
/** `/app/s.js:1` above the source line, the only place a syntax error has. */
const THROWN_AT = /^(?:file:\/\/)?(\/[^\s:]{1,400}):(\d{1,7})$/;
const IMPORTED_FROM = / imported from (\/\S{1,400})$/;
const HEAP = /^FATAL ERROR: .*JavaScript heap out of memory/;
const CODE = /^\s+code: '([A-Z0-9_]{1,60})'/;
const MAX_LINES_TO_STACK = 12;
const MAX_LINES_TO_SOURCE = 6;

const MISSING =
  "Node.js does not find the module: install dependencies before this step, and check COPY and .dockerignore.";

/** An error of Node.js with its stack; its place is the innermost frame that is no library. */
export const parseNode: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  if (HEAP.test(line)) {
    const hint =
      "Node.js ran out of its heap: raise --max-old-space-size, and the memory of the engine.";
    return { entry: { tool: "node", message: line, hint }, taken: 1 };
  }
  const error = line.includes("Error") ? ERROR.exec(line) : null;
  if (error === null) return undefined;
  const stack = stackBelow(lines, at);
  if (stack === undefined) return undefined;
  const [, name = "", label, said = ""] = error;
  const above = thrownAbove(lines, at);
  const place =
    name === "SyntaxError" && above !== undefined
      ? above
      : (stack.place ?? above ?? placed(IMPORTED_FROM.exec(said)?.[1]));
  const code = label ?? stack.code;
  const missing = /^Cannot find (?:module|package) /.test(said);
  return {
    entry: {
      tool: "node",
      ...place,
      message: name === "Error" ? said : `${name}: ${said}`,
      ...(code === undefined ? {} : { code }),
      ...(missing ? { hint: MISSING } : {}),
    },
    taken: stack.taken,
  };
};

interface Stack {
  readonly place: ReturnType<typeof placed> | undefined;
  readonly code: string | undefined;
  readonly taken: number;
}

/** Undefined when no stack follows: then it is not Node.js that speaks. */
function stackBelow(lines: readonly string[], at: number): Stack | undefined {
  let place: Stack["place"];
  let code: string | undefined;
  let begun = false;
  let taken = 1;
  for (; taken < LOOKAHEAD && at + taken < lines.length; taken += 1) {
    const line = lines[at + taken] ?? "";
    if (STACK.test(line)) {
      begun = true;
      const frame = FRAME.exec(line);
      const file = frame?.[1];
      if (place === undefined && file !== undefined && isOwn(file)) {
        place = placed(file, frame?.[2], frame?.[3]);
      }
    } else if (begun) {
      code = CODE.exec(line)?.[1];
      break;
    } else if (taken >= MAX_LINES_TO_STACK) {
      break;
    }
  }
  return begun ? { place, code, taken } : undefined;
}

function thrownAbove(lines: readonly string[], at: number): Stack["place"] {
  for (let back = 1; back <= MAX_LINES_TO_SOURCE && at - back >= 0; back += 1) {
    const found = THROWN_AT.exec(lines[at - back] ?? "");
    if (found !== null) return placed(found[1], found[2]);
  }
  return undefined;
}

function isOwn(file: string): boolean {
  return file.startsWith("/") && !file.includes("/node_modules/");
}
