import { flagsOf, type CommandShape, type OptionShape } from "./shape.js";
import { SHELLS } from "./shells.js";

/** A completion script for fish. */
export function fishScript(
  program: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const at = `__${program.replaceAll("-", "_")}_at`;
  const groups = commands.filter(({ subcommands }) => subcommands.length > 0);
  const valued = flagsOf({ options: globals }, ({ takesValue }) => takesValue);
  const lines = commands.flatMap((command) => {
    const split = command.name.lastIndexOf(" ");
    const before = split === -1 ? "" : ` ${command.name.slice(0, split)}`;
    const word = command.name.slice(split + 1);
    return [
      `complete -c ${program} -n "${at}${before}" -f -a ${word} -d ${quote(command.description)}`,
      ...command.options.map((option) => optionLine(program, `${at} ${command.name}`, option)),
      ...(command.subcommands.length > 0 ? [] : operandLine(program, at, command)),
    ];
  });
  return `# fish completion of ${program}
# Load it with: ${program} completion fish | source

# Whether the command typed so far, groups included, is exactly this one.
function ${at}
    set -l command
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${valued.join(" ")}
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else if test (count $command) -eq 0; or contains -- "$command" ${groups.map(({ name }) => quote(name)).join(" ")}
            set -a command $word
        else
            break
        end
    end
    test "$command" = "$argv"
end

${globals.map((option) => optionLine(program, at, option)).join("\n")}
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

function operandLine(program: string, at: string, { name, operand }: CommandShape): string[] {
  const when = `complete -c ${program} -n "${at} ${name}"`;
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
    case "directories":
      return [`${when} -f -a '(__fish_complete_directories)'`];
    case "none":
      return [`${when} -f`];
    default:
      return operand satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
