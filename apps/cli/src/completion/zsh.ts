import { topLevel, type CommandShape, type OptionShape } from "./shape.js";
import { SHELLS } from "./shells.js";

/** A completion script for zsh, to be sourced or put into a directory of `fpath`. */
export function zshScript(
  program: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const fn = `_${program.replaceAll("-", "_")}`;
  const groups = commands.filter(({ subcommands }) => subcommands.length > 0);
  return `#compdef ${program}
# zsh completion of ${program}
# Load it with: source <(${program} completion zsh)

${fn}_candidates() {
  local -a candidates
  candidates=(\${(f)"$(\${words_program:-${program}} __complete $1 2>/dev/null </dev/null)"})
  compadd -S "\${2:- }" -q -a candidates
}

${fn}_workspaces() { ${fn}_candidates workspaces }
${fn}_runtimes() { ${fn}_candidates runtimes }
${fn}_directories() { _files -/ }
${fn}_shells() { compadd ${SHELLS.join(" ")} }
${fn}_paths() {
  ${fn}_candidates workspaces ':'
  _files
}

${groups.map((group) => groupFunction(fn, group, childrenOf(commands, group), globals)).join("\n")}
${fn}_commands() {
${choice(fn, topLevel(commands), globals)}
}

${fn}() {
  local words_program=\${words[1]}
  ${fn}_commands "$@"
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  ${fn} "$@"
else
  compdef ${fn} ${program}
fi
`;
}

/** Everything behind a word that has commands of its own. */
function groupFunction(
  fn: string,
  group: CommandShape,
  children: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  return `${functionOf(fn, group)}() {
${choice(fn, children, globals)}
}
`;
}

function functionOf(fn: string, { name }: CommandShape): string {
  return `${fn}_in_${name.replaceAll(/[ -]/g, "_")}`;
}

function childrenOf(commands: readonly CommandShape[], group: CommandShape): CommandShape[] {
  return commands.filter(({ name }) =>
    group.subcommands.some((child) => name === `${group.name} ${child}`),
  );
}

/** One of these commands, then what belongs to it. */
function choice(
  fn: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const lastWord = ({ name }: CommandShape): string => name.slice(name.lastIndexOf(" ") + 1);
  const cases = commands.map((command) => {
    const specs = [...command.options.flatMap(optionSpecs), ...operandSpec(fn, command)];
    const body =
      command.subcommands.length > 0
        ? functionOf(fn, command)
        : `_arguments -s ${specs.map((spec) => `\\\n            ${quote(spec)}`).join(" ")}`;
    return `        ${lastWord(command)})
          ${body}
          ;;`;
  });
  return `  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C ${globals.flatMap(optionSpecs).map(quote).join(" ")} '1: :->command' '*:: :->operands'
  case $state in
    command)
      local -a commands
      commands=(
${commands.map((command) => `        ${quote(`${lastWord(command)}:${command.description.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe command commands
      ;;
    operands)
      case $line[1] in
${cases.join("\n")}
      esac
      ;;
  esac`;
}

function optionSpecs(option: OptionShape): string[] {
  const text = `[${option.description.replace(/[[\]:\\]/g, "\\$&")}]`;
  const value = option.takesValue ? ":value:_files" : "";
  return [option.long, option.short]
    .filter((flag) => flag !== undefined)
    .map((flag) => `*${flag}${text}${value}`);
}

function operandSpec(fn: string, { operand, repeated }: CommandShape): string[] {
  if (operand === "none") return [];
  return [`${repeated ? "*" : "1"}: :${fn}_${operand}`];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
