import type { SourceText } from "./source-text.js";

/** `--name=value` between the keyword and its arguments. */
export interface InstructionFlag {
  /** Lower case, without the dashes. */
  readonly name: string;
  readonly value: string;
}

/** What stands between `<<NAME` and `NAME`. */
export interface Heredoc {
  readonly name: string;
  /** True when the name is not quoted, so that variables in it are filled in. */
  readonly expands: boolean;
  readonly content: SourceText;
}

/** One instruction of a Dockerfile. */
export interface DockerfileInstruction {
  /** Upper case. */
  readonly keyword: string;
  /** Its first line, from 1. */
  readonly line: number;
  /** The whole of it, keyword and flags too, continuations joined and comments left out. */
  readonly source: SourceText;
  readonly flags: readonly InstructionFlag[];
  /** Where in `source` its arguments begin. */
  readonly bodyOffset: number;
  /** The arguments when they are written as a JSON array of strings. */
  readonly execForm: readonly string[] | undefined;
  readonly heredocs: readonly Heredoc[];
}

/** What no builder accepts. */
export interface DockerfileProblem {
  readonly line: number;
  readonly message: string;
}

/** A Dockerfile taken apart into its instructions. */
export interface Dockerfile {
  readonly instructions: readonly DockerfileInstruction[];
  /** The frontend a `# syntax=` line asks for. */
  readonly syntax: { readonly image: string; readonly line: number } | undefined;
  /** The character that continues lines and escapes others. */
  readonly escape: "\\" | "`";
  readonly lines: number;
  readonly problems: readonly DockerfileProblem[];
}

/** The arguments of an instruction, as text. */
export function bodyOf({ source, bodyOffset }: DockerfileInstruction): string {
  return source.text.slice(bodyOffset).trim();
}

/** The value of the last flag of that name. */
export function flagOf(instruction: DockerfileInstruction, name: string): string | undefined {
  return instruction.flags.findLast((flag) => flag.name === name)?.value;
}
