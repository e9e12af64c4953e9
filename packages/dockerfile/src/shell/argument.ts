import type { ExpansionBudget } from "../variables/expansion-budget.js";
import { expand, type Expansion, type Lookup } from "../variables/expand.js";
import type { ShellCommand, ShellWord } from "./shell-command.js";
import { plainText } from "./read-shell.js";

/** What a program is given, as far as the Dockerfile tells. */
export interface Argument {
  /** Variables filled in; those without a value stay as they are written. */
  readonly text: string;
  /** Without quotes, variables as written. */
  readonly written: string;
  /** Variables that were filled in. */
  readonly found: Expansion["found"];
  /** Names of variables without a value. */
  readonly missing: readonly string[];
  /** Commands whose output the shell puts in its place. */
  readonly commands: readonly ShellCommand[];
}

export function literalArgument(text: string): Argument {
  return { text, written: text, found: NONE, missing: NONE, commands: NONE };
}

const NONE: readonly never[] = [];

function isLiteral({ parts }: ShellWord): boolean {
  return parts.every(({ kind }) => kind === "text");
}

/** What an argument costs beside its characters. */
export const FIELD_COST = 16;

/**
 * The arguments a shell makes of one word: several when an unquoted variable holds blanks, none when
 * it is empty.
 */
export function resolveWord(word: ShellWord, lookup: Lookup, budget: ExpansionBudget): Argument[] {
  const written = plainText(word);
  if (isLiteral(word)) return [literalArgument(written)];
  const found: Expansion["found"][number][] = [];
  const missing: string[] = [];
  const commands: ShellCommand[] = [];
  const onlyVariables = word.parts.every((part) => part.kind === "variable" && !part.quoted);
  const fields = [""];
  const append = (text: string): void => {
    fields[fields.length - 1] += text;
  };
  for (const part of word.parts) {
    if (part.kind === "commands") for (const command of part.commands) commands.push(command);
    if (part.kind !== "variable") {
      append(part.text);
      continue;
    }
    const value =
      budget.left > 0 ? expand(part.text, lookup, { quotes: false }) : unknown(part.text);
    budget.left -= value.text.length;
    for (const variable of value.found) found.push(variable);
    for (const name of value.missing) missing.push(name);
    const text = value.text === "" && !onlyVariables ? part.text : value.text;
    if (part.quoted || !/\s/.test(text)) {
      append(text);
      continue;
    }
    const [first = "", ...rest] = text.split(/\s+/);
    budget.left -= FIELD_COST * rest.length;
    append(first);
    fields.push(...rest);
  }
  return fields
    .filter((text) => text !== "" || !onlyVariables)
    .map((text) => ({ text, written, found, missing, commands }));
}

function unknown(text: string): Expansion {
  return { text, found: [], missing: [text] };
}
