import { bodyOf, type DockerfileInstruction, type Heredoc } from "../reading/dockerfile.js";
import { lineAt } from "../reading/source-text.js";
import type { Lookup } from "../variables/expand.js";
import type { ExpansionBudget } from "../variables/expansion-budget.js";
import { FIELD_COST, literalArgument, resolveWord, type Argument } from "./argument.js";
import { plainText, readShell } from "./read-shell.js";
import type { Redirection, ShellCommand, ShellWord } from "./shell-command.js";
import { commandString, isAssignment, programName, SHELLS, unwrap } from "./wrappers.js";

/** A program run by a RUN instruction. */
export interface ProgramRun {
  /** Its name without directory; empty when that is not told. */
  readonly program: string;
  readonly args: readonly Argument[];
  /** `sudo`, `env`, `xargs` … in front of it, from the outside in. */
  readonly wrappers: readonly string[];
  readonly redirections: readonly Redirection[];
  /** The command as written. */
  readonly text: string;
  readonly line: number;
  /** Programs joined by `|` have the same. */
  readonly pipeline: string;
}

export interface RunOptions {
  readonly lookup: Lookup;
  readonly budget: ExpansionBudget;
  /** False when SHELL names a program that speaks no shell language. */
  readonly shellForm: boolean;
}

/** `sh -c "sh -c …"` beyond this is not followed. */
const MAX_NESTING = 5;
/** Shells a script can be written for by its first line. */
const SHEBANG = /^#!\s*\S*\/(?:env\s+(?:-\S+\s+)*)?(?:ba|da|a|z|k)?sh\b/;

/** Every program a RUN instruction runs, as far as that can be read, inside `sh -c` too. */
export function readRun(instruction: DockerfileInstruction, options: RunOptions): ProgramRun[] {
  const { budget } = options;
  const runs: ProgramRun[] = [];
  const values = new Map<string, string | undefined>();
  const lists = new Map<string, readonly Argument[]>();
  const lookup: Lookup = (name) => (values.has(name) ? values.get(name) : options.lookup(name));
  const { heredocs } = instruction;
  let heredocsTaken = 0;
  let scripts = 0;

  const resolve = (command: ShellCommand): Argument[] => {
    const args: Argument[] = [];
    for (const word of command.words) {
      const list = lists.size === 0 ? undefined : lists.get(variableOf(word));
      const cost = FIELD_COST * (list?.length ?? 0);
      const isListed = list !== undefined && cost <= budget.left;
      if (isListed) budget.left -= cost;
      for (const argument of isListed ? list : resolveWord(word, lookup, budget)) {
        args.push(argument);
      }
    }
    return args;
  };

  const assign = (args: readonly Argument[]): void => {
    for (const { text, missing, commands } of args) {
      if (!isAssignment(text)) continue;
      const equals = text.indexOf("=");
      const isKnown = missing.length === 0 && commands.length === 0 && text[equals - 1] !== "+";
      values.set(
        text.slice(0, equals).replace("+", ""),
        isKnown ? text.slice(equals + 1) : undefined,
      );
    }
  };

  const takeHeredocs = ({ redirections }: ShellCommand): readonly Heredoc[] => {
    if (redirections.length === 0 || heredocsTaken >= heredocs.length) return [];
    const starts = redirections.filter(({ operator }) => /<<-?$/.test(operator)).length;
    heredocsTaken += starts;
    return heredocs.slice(heredocsTaken - starts, heredocsTaken);
  };

  const readScript = (
    script: string,
    from: number,
    lineOf: (offset: number) => number,
    nesting: number,
  ): void => {
    scripts += 1;
    const prefix = scripts;
    for (const command of readShell(script, from)) {
      const bodies = takeHeredocs(command);
      const args = resolve(command);
      const [first, second, third, ...rest] = args;
      if (first === undefined) {
        for (const { content } of bodies) {
          if (isShellScript(content.text)) {
            readScript(content.text, 0, (offset) => lineAt(content, offset), nesting + 1);
          }
        }
        continue;
      }
      if (first.text === "for" && third?.text === "in" && second !== undefined) {
        lists.set(second.text, rest);
        continue;
      }
      if (args.every(({ written }) => isAssignment(written))) {
        assign(args);
        continue;
      }
      if (first.text === "export" || first.text === "declare" || first.text === "local")
        assign(args);
      const line = lineOf(command.offset);
      const program = readProgram(args, {
        redirections: command.redirections,
        text: command.text,
        line,
        pipeline: `${prefix}/${command.pipeline}`,
      });
      if (program === undefined || nesting >= MAX_NESTING) continue;
      const inner = innerScript(program);
      if (inner !== undefined) readScript(inner, 0, () => line, nesting + 1);
      else if (SHELLS.has(program.program)) {
        for (const { content } of bodies) {
          readScript(content.text, 0, (offset) => lineAt(content, offset), nesting + 1);
        }
        for (const body of command.heredocs) readScript(body, 0, () => line, nesting + 1);
      }
    }
  };

  const readProgram = (
    given: readonly Argument[],
    place: Pick<ProgramRun, "redirections" | "text" | "line" | "pipeline">,
  ): ProgramRun | undefined => {
    const { args, wrappers } = unwrap(given);
    const [program, ...rest] = args;
    if (program === undefined) return undefined;
    const run = { program: programName(program.text), args: rest, wrappers, ...place };
    runs.push(run);
    return run;
  };

  const { execForm, source, bodyOffset, line } = instruction;
  if (execForm !== undefined) {
    const run = readProgram(execForm.map(literalArgument), {
      redirections: [],
      text: bodyOf(instruction),
      line,
      pipeline: "exec",
    });
    const inner = run === undefined ? undefined : innerScript(run);
    if (inner !== undefined) readScript(inner, 0, () => line, 1);
  } else if (options.shellForm) {
    readScript(source.text, bodyOffset, (offset) => lineAt(source, offset), 0);
  }
  return runs;
}

/** What a shell or `eval` is given to run in its arguments. */
function innerScript({ program, args }: ProgramRun): string | undefined {
  if (program === "eval") return args.map(({ text }) => text).join(" ");
  return commandString(program, args)?.text.replace(/^--?command=/, "");
}

function isShellScript(text: string): boolean {
  return !text.startsWith("#!") || SHEBANG.test(text.slice(0, 200));
}

/** The name of the variable that is all of the word; empty when it is another word. */
function variableOf({ parts }: ShellWord): string {
  const [part] = parts;
  if (parts.length !== 1 || part?.kind !== "variable") return "";
  return part.text.replace(/^\$\{?/, "").replace(/\}$/, "");
}

/** The file its output is written to. */
export function redirectsTo(run: ProgramRun): string | undefined {
  const output = run.redirections.findLast(({ operator }) => /^1?>[>|]?$/.test(operator));
  return output === undefined ? undefined : plainText(output.target);
}
