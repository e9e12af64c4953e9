import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** What the operands of a command are candidates of. */
export type OperandKind = "workspaces" | "runtimes" | "paths" | "directories" | "shells" | "none";

/** A command as completion sees it. */
export interface CommandShape {
  /** With the groups it is in: `image cache ls`. */
  readonly name: string;
  readonly description: string;
  /** Of a group: the words that may follow it. A group itself takes no operands. */
  readonly subcommands: readonly string[];
  readonly options: readonly OptionShape[];
  readonly operand: OperandKind;
  /** True when every operand is of that kind, false when only the first one is. */
  readonly repeated: boolean;
}

export interface OptionShape {
  readonly long: string | undefined;
  readonly short: string | undefined;
  readonly description: string;
  readonly takesValue: boolean;
}

const OPERANDS: Readonly<Record<string, OperandKind>> = {
  workspace: "workspaces",
  runtime: "runtimes",
  "runtime|path": "paths",
  "runtime|directory": "paths",
  source: "paths",
  shell: "shells",
  context: "directories",
};

/** Reads the grammar, so that no script can miss a command or an option; groups before what is in them. */
export function readShape(program: CommandUnknownOpts): readonly CommandShape[] {
  return readCommands(program, "", readGlobalOptions(program));
}

function readCommands(
  parent: CommandUnknownOpts,
  prefix: string,
  globals: readonly OptionShape[],
): CommandShape[] {
  return visibleCommands(parent).flatMap((command) => {
    const [first] = command.registeredArguments;
    const operand = OPERANDS[first?.name() ?? ""] ?? "none";
    const name = `${prefix}${command.name()}`;
    return [
      {
        name,
        description: command.description(),
        subcommands: visibleCommands(command).map((child) => child.name()),
        options: [...command.options.filter((option) => !option.hidden).map(toShape), ...globals],
        operand,
        repeated: first?.variadic === true || operand === "paths",
      },
      ...readCommands(command, `${name} `, globals),
    ];
  });
}

/** Without `help`, which every group has. */
function visibleCommands(parent: CommandUnknownOpts): CommandUnknownOpts[] {
  return parent
    .createHelp()
    .visibleCommands(parent)
    .filter((command) => command.name() !== "help");
}

/** The commands that are in no group. */
export function topLevel(commands: readonly CommandShape[]): CommandShape[] {
  return commands.filter(({ name }) => !name.includes(" "));
}

/** Options that may stand before the name of a command as well as behind it. */
export function readGlobalOptions(program: CommandUnknownOpts): readonly OptionShape[] {
  return program.options.filter(({ long }) => long !== "--version").map(toShape);
}

function toShape(option: CommandUnknownOpts["options"][number]): OptionShape {
  return {
    long: option.long,
    short: option.short,
    description: option.description,
    takesValue: option.required || option.optional,
  };
}

/** Flags of a command, long and short. */
export function flagsOf(
  command: Pick<CommandShape, "options">,
  only: (option: OptionShape) => boolean,
): string[] {
  return command.options
    .filter(only)
    .flatMap(({ long, short }) => [long, short])
    .filter((flag) => flag !== undefined);
}
