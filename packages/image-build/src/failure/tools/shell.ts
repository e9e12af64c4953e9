import { placed, type ToolParser } from "./tool-parser.js";

/** `sh: 1: x: not found`, `/bin/sh: x: not found`, `bash: line 1: x: …`, `s.sh: 2: Syntax error: …`. */
const LINE =
  /^((?:\/\S{0,200}\/)?(?:ba|da|a|z|k)?sh|\S{1,300}?): (?:line )?(?:(\d{1,7}): )?((?:.{1,300}: )?(?:(?:command )?not found|[Pp]ermission denied|[Ss]yntax error.*|cannot execute.*|No such file or directory|bad substitution|parameter not set|unbound variable|cannot open .{1,300}))$/;
const SHELL = /(?:^|\/)(?:ba|da|a|z|k)?sh$/;
/** What only a shell says, whatever its `$0` is. */
const OF_SHELL =
  /not found$|^[Ss]yntax error|cannot execute|bad substitution|unbound variable|parameter not set/;
const ENV = /^(?:\S{0,100}\/)?env: (.{1,300}): (No such file or directory|Permission denied)$/;

export const COMMAND_NOT_FOUND =
  "The command does not exist in the image: install it in an earlier step, or correct its name.";
export const NOT_EXECUTABLE =
  "The command may not be run: check its mode (chmod +x), its first line (#!) and USER.";
const SYNTAX =
  "The shell cannot read the command: check quotes, if … fi and line ends (\\ and &&; no CRLF).";

/** The shell that runs a step, and `env` of a `#!` line. */
export const parseShell: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const env = line.includes("env: ") ? ENV.exec(line) : null;
  if (env !== null) {
    const hint = env[2] === "Permission denied" ? NOT_EXECUTABLE : COMMAND_NOT_FOUND;
    return { entry: { tool: "env", message: `${env[1]}: ${env[2]}`, hint }, taken: 1 };
  }
  const found = LINE.exec(line);
  if (found === null) return undefined;
  const [, by = "", row, message = ""] = found;
  const shell = SHELL.test(by);
  if (!shell && (row === undefined || !OF_SHELL.test(message))) return undefined;
  return {
    entry: {
      tool: "shell",
      // `sh -c` has no file, and its line is the one of the RUN.
      ...(shell ? {} : placed(by, row)),
      message,
      hint: hintFor(message),
    },
    taken: 1,
  };
};

function hintFor(message: string): string | undefined {
  if (/syntax error|bad substitution/i.test(message)) return SYNTAX;
  if (/permission denied|cannot execute/i.test(message)) return NOT_EXECUTABLE;
  return message.endsWith("not found") ? COMMAND_NOT_FOUND : undefined;
}
