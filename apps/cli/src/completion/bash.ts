import { flagsOf, topLevel, type CommandShape, type OptionShape } from "./shape.js";
import { SHELLS } from "./shells.js";

/** A completion script for bash 3.2 and newer. */
export function bashScript(
  program: string,
  commands: readonly CommandShape[],
  globals: readonly OptionShape[],
): string {
  const fn = `_${program.replaceAll("-", "_")}`;
  const names = topLevel(commands)
    .map(({ name }) => name)
    .join(" ");
  const groups = commands.filter(({ subcommands }) => subcommands.length > 0);
  const cases = commands.map(
    (command) => `    "${command.name}")
      options="${flagsOf(command, () => true).join(" ")}"
      valued=" ${flagsOf(command, ({ takesValue }) => takesValue).join(" ")} "
      operand=${command.operand}
      most=${command.repeated ? 99 : 1}
      subcommands="${command.subcommands.join(" ")}"
      ;;`,
  );
  return `# bash completion of ${program}
# Load it with: source <(${program} completion bash)

${fn}() {
  local program="\${COMP_WORDS[0]}" current="\${COMP_WORDS[COMP_CWORD]}"
  local command="" options="" valued=" " subcommands="" operand=none most=0 seen=0 depth=1 i word line
  local candidates=()
  COMPREPLY=()

  local globals=" ${flagsOf({ options: globals }, ({ takesValue }) => takesValue).join(" ")} "
  local groups="|${groups.map(({ name }) => name).join("|")}|"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ -z $command || $groups == *"|$command|"* ]]; then
      if [[ $globals == *" $word "* ]]; then
        i=$((i + 1))
      elif [[ -z $command && $word != -* ]]; then
        command="$word"
      elif [[ $word != -* ]]; then
        command="$command $word"
        depth=$((depth + 1))
      fi
    elif [[ $word == -- ]]; then
      return
    fi
  done

  if [[ -z $command ]] && ((COMP_CWORD > 1)) && [[ $globals == *" \${COMP_WORDS[COMP_CWORD - 1]} "* ]]; then
    compopt -o default 2>/dev/null
    return
  fi
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W "${names} help ${flagsOf({ options: globals }, () => true).join(" ")} --help --version" -- "$current"))
    return
  fi

  case "$command" in
${cases.join("\n")}
    help)
      COMPREPLY=($(compgen -W "${names}" -- "$current"))
      return
      ;;
  esac

  # The value of an option: a file as good as anything.
  if ((COMP_CWORD > 1)) && [[ $valued == *" \${COMP_WORDS[COMP_CWORD - 1]} "* ]]; then
    compopt -o default 2>/dev/null
    return
  fi
  if [[ -n $subcommands && $current != -* ]]; then
    COMPREPLY=($(compgen -W "$subcommands" -- "$current"))
    return
  fi
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options --help" -- "$current"))
    return
  fi

  # Operands before this one; the words of the command are the first that are no options.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ $valued == *" $word "* ]]; then
      i=$((i + 1))
    elif [[ $word != -* ]]; then
      seen=$((seen + 1))
    fi
  done
  if ((seen >= most + depth)); then
    compopt -o default 2>/dev/null
    return
  fi

  case "$operand" in
    shells)
      candidates=(${SHELLS.join(" ")})
      ;;
    workspaces | runtimes)
      while IFS= read -r line; do candidates+=("$line"); done \\
        < <("$program" __complete "$operand" 2>/dev/null </dev/null)
      ;;
    directories)
      compopt -o dirnames 2>/dev/null
      ;;
    paths)
      while IFS= read -r line; do candidates+=("$line:"); done \\
        < <("$program" __complete workspaces 2>/dev/null </dev/null)
      compopt -o default -o nospace 2>/dev/null
      ;;
  esac
  for word in "\${candidates[@]}"; do
    if [[ $word == "$current"* ]]; then
      printf -v line %q "$word"
      COMPREPLY+=("$line")
    fi
  done
}

complete -F ${fn} ${program}
`;
}
