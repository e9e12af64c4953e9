/** A piece of a word: what is written, or what a shell puts in its place. */
export type WordPart =
  | { readonly kind: "text"; readonly text: string }
  /** `$NAME` or `${NAME…}`, as written. */
  | { readonly kind: "variable"; readonly text: string; readonly quoted: boolean }
  /** `$(…)`, a pair of backticks, `<(…)`. */
  | {
      readonly kind: "commands";
      readonly text: string;
      readonly commands: readonly ShellCommand[];
    };

export interface ShellWord {
  readonly parts: readonly WordPart[];
  readonly offset: number;
}

export interface Redirection {
  /** `>`, `2>>`, `<`, `<<`, `<<<` … */
  readonly operator: string;
  readonly target: ShellWord;
}

/** A simple command: a program with its arguments, and `NAME=value` words before it. */
export interface ShellCommand {
  readonly words: readonly ShellWord[];
  readonly redirections: readonly Redirection[];
  /** Bodies of its heredocs, when the script holds them. */
  readonly heredocs: readonly string[];
  /** As written. */
  readonly text: string;
  readonly offset: number;
  /** Commands with the same number are joined by `|`. */
  readonly pipeline: number;
}
