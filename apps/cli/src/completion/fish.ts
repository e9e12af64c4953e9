import type { CommandShape, OptionShape } from "./shape.js";
import { SHELLS } from "./shells.js";

/** A completion script for fish. */
export function fishScript(
  program: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const names = commands.map(({ name }) => name).join(" ");
  const lines = commands.flatMap((command) => [
    `complete -c ${program} -n "not __fish_seen_subcommand_from ${names}" -f -a ${command.name} -d ${quote(command.description)}`,
    ...command.options.map((option) =>
      optionLine(program, `__fish_seen_subcommand_from ${command.name}`, option),
    ),
    ...operandLine(program, command),
  ]);
  return `# fish completion of ${program}
# Load it with: ${program} completion fish | source

${globals.map((option) => optionLine(program, `not __fish_seen_subcommand_from ${names}`, option)).join("\n")}
${lines.join("\n")}
`;
}

function optionLine(program: string, when: string, option: OptionShape): string {
  return [
    `complete -c ${program} -n "${when}"`,
    option.long === undefined ? "" : ` -l ${option.long.replace(/^--/, "")}`,
    option.short === undefined ? "" : ` -s ${option.short.replace(/^-/, "")}`,
    option.takesValue ? " -r" : "",
    ` -d ${quote(option.description)}`,
  ].join("");
}

function operandLine(program: string, { name, operand }: CommandShape): string[] {
  const when = `complete -c ${program} -n "__fish_seen_subcommand_from ${name}"`;
  const live = (kind: string): string => `(${program} __complete ${kind} 2>/dev/null </dev/null)`;
  switch (operand) {
    case "workspaces":
    case "runtimes":
      return [`${when} -f -a ${quote(live(operand))}`];
    case "paths":
      return [
        `${when} -a ${quote(`(${program} __complete workspaces 2>/dev/null </dev/null | string replace -r '$' ':')`)}`,
      ];
    case "shells":
      return [`${when} -f -a ${quote(SHELLS.join(" "))}`];
    case "none":
      return [`${when} -f`];
    default:
      return operand satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
