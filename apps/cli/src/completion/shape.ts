import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** What the operands of a command are candidates of. */
export type OperandKind = "workspaces" | "runtimes" | "paths" | "shells" | "none";

/** A command as completion sees it. */
export interface CommandShape {
  readonly name: string;
  readonly description: string;
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
  source: "paths",
  shell: "shells",
};

/** Reads the grammar, so that no script can miss a command or an option. */
export function readShape(program: CommandUnknownOpts): readonly CommandShape[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => {
      const [first] = command.registeredArguments;
      const operand = OPERANDS[first?.name() ?? ""] ?? "none";
      return {
        name: command.name(),
        description: command.description(),
        options: [
          ...command.options.filter((option) => !option.hidden).map(toShape),
          ...readGlobalOptions(program),
        ],
        operand,
        repeated: first?.variadic === true || operand === "paths",
      };
    });
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
