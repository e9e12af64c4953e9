import type { CommandShape, OptionShape } from "./shape.js";
import { SHELLS } from "./shells.js";

/** A completion script for zsh, to be sourced or put into a directory of `fpath`. */
export function zshScript(
  program: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const fn = `_${program.replaceAll("-", "_")}`;
  const cases = commands.map((command) => {
    const specs = command.options.flatMap(optionSpecs);
    const operand = operandSpec(fn, command);
    return `        ${command.name})
          _arguments -s ${[...specs, ...operand].map((spec) => `\\\n            ${quote(spec)}`).join(" ")}
          ;;`;
  });
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
${fn}_shells() { compadd ${SHELLS.join(" ")} }
${fn}_paths() {
  ${fn}_candidates workspaces ':'
  _files
}

${fn}() {
  local words_program=\${words[1]} curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C ${globals.flatMap(optionSpecs).map(quote).join(" ")} '1: :->command' '*:: :->operands'
  case $state in
    command)
      local -a commands
      commands=(
${commands.map(({ name, description }) => `        ${quote(`${name}:${description.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe command commands
      ;;
    operands)
      case $line[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  ${fn} "$@"
else
  compdef ${fn} ${program}
fi
`;
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
