import { conditionHint } from "./conditions.js";
import { LOOKAHEAD, placed, type ToolParser } from "./tool-parser.js";

const AT_LINE = /^\s*(?:vet: )?(\S{1,400}?\.go):(\d{1,7})(?::(\d{1,7}))?:? +(.+)$/;
/** Without a column only these are the compiler's: tests and logs write `file.go:12: text` too. */
const SAID_BY_COMPILER =
  /undefined|cannot|imported and not used|too many errors|syntax error|declared and not used|not enough arguments|too many arguments|missing return|type mismatch|redeclared/i;
const TEST = /^\s+(\S{1,200}_test\.go):(\d{1,7}): (.+)$/;
const MODULE =
  /^go: (.{0,300}(?:unknown revision|unrecognized import path|dial tcp|not found|requires go|no matching versions|inconsistent vendoring|missing go\.sum|updates to go\.mod needed|cannot find|disabled by|verifying|checksum mismatch|go\.mod).*)$/;
const PANIC = /^(panic|fatal error): (.+)$/;
const FRAME = /^\t(\S{1,400}\.go):(\d{1,7})(?: \+0x[0-9a-f]+)?$/;

const MISSING_MODULE =
  "go does not know the module: run go mod tidy and add go.mod and go.sum to the context.";

/** The go command: compiler, vet, tests, modules and panics. */
export const parseGo: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const said = line.includes(".go:") ? AT_LINE.exec(line) : null;
  if (said !== null) {
    const [, file, row, col, message = ""] = said;
    if (col !== undefined || SAID_BY_COMPILER.test(message) || TEST.test(line)) {
      const hint = /no required module|missing go\.sum/.test(message) ? MISSING_MODULE : undefined;
      return { entry: { tool: "go", ...placed(file, row, col), message, hint }, taken: 1 };
    }
  }
  const module = MODULE.exec(line)?.[1];
  if (module !== undefined) {
    const hint = conditionHint(module) ?? moduleHint(module);
    return { entry: { tool: "go", message: module, hint }, taken: 1 };
  }
  const panic = PANIC.exec(line)?.[2];
  return panic === undefined ? undefined : readPanic(lines, at, panic);
};

function moduleHint(message: string): string {
  return message.includes("requires go")
    ? "The module needs a newer Go: change the base image."
    : MISSING_MODULE;
}

function readPanic(lines: readonly string[], at: number, message: string): ReturnType<ToolParser> {
  if (!lines.slice(at, at + 5).some((line) => line.startsWith("goroutine "))) return undefined;
  for (let taken = 1; taken < LOOKAHEAD && at + taken < lines.length; taken += 1) {
    const frame = FRAME.exec(lines[at + taken] ?? "");
    if (frame === null || /\/go\/src\/|\/pkg\/mod\//.test(frame[1] ?? "")) continue;
    return { entry: { tool: "go", ...placed(frame[1], frame[2]), message }, taken: taken + 1 };
  }
  return { entry: { tool: "go", message }, taken: 1 };
}
