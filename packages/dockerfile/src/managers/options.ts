import type { Argument } from "../shell/argument.js";

/** Arguments of a program, told apart. */
export interface Options {
  readonly operands: readonly Argument[];
  /** Values of that option, in order; empty strings for one that takes none. */
  values(...names: readonly string[]): readonly string[];
  has(...names: readonly string[]): boolean;
}

/** Names of options, from text with blanks between them. */
export function optionNames(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** `takesValue` are the options whose value may be the next argument. */
export function readOptions(args: readonly Argument[], takesValue: ReadonlySet<string>): Options {
  const operands: Argument[] = [];
  const options: { readonly name: string; readonly value: string }[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at];
    if (argument === undefined) break;
    const { text } = argument;
    if (text === "--") {
      for (const operand of args.slice(at + 1)) operands.push(operand);
      break;
    }
    if (!text.startsWith("-") || text === "-") {
      operands.push(argument);
      continue;
    }
    const equals = text.indexOf("=");
    if (text.startsWith("--") && equals !== -1) {
      options.push({ name: text.slice(0, equals), value: text.slice(equals + 1) });
    } else if (takesValue.has(text) || isClusterWithValue(text, takesValue)) {
      at += 1;
      const name = takesValue.has(text) ? text : `-${text.at(-1)}`;
      options.push({ name, value: args[at]?.text ?? "" });
    } else if (text.startsWith("--")) {
      options.push({ name: text, value: "" });
    } else {
      options.push(...readShortOptions(text, takesValue));
    }
  }
  return {
    operands,
    values: (...names) =>
      options.flatMap(({ name, value }) => (names.includes(name) ? [value] : [])),
    has: (...names) => options.some(({ name }) => names.includes(name)),
  };
}

/** `-xyz value`, the value being that of z. */
function isClusterWithValue(text: string, takesValue: ReadonlySet<string>): boolean {
  if (text.length === 2) return false;
  if (!/^-[A-Za-z]{2,8}$/.test(text) || !takesValue.has(`-${text.at(-1)}`)) return false;
  return !Array.from(text.slice(1, -1)).some((letter) => takesValue.has(`-${letter}`));
}

/** `-xyz`: three options, or one with its value behind it. */
function readShortOptions(
  text: string,
  takesValue: ReadonlySet<string>,
): { readonly name: string; readonly value: string }[] {
  if (text.length === 2) return [{ name: text, value: "" }];
  const first = text.slice(0, 2);
  if (takesValue.has(first)) return [{ name: first, value: text.slice(2) }];
  return [
    { name: text, value: "" },
    ...Array.from(text.slice(1, 12), (letter) => ({ name: `-${letter}`, value: "" })),
  ];
}

/** The operands behind the subcommand, when it is one of `names`. */
export function operandsOf(
  operands: readonly Argument[],
  names: readonly string[],
): readonly Argument[] | undefined {
  return names.includes(operands[0]?.text ?? "") ? operands.slice(1) : undefined;
}
