import { plainText, someCommand } from "../shell/read-shell.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { Argument } from "../shell/argument.js";
import { programName, SHELLS } from "../shell/wrappers.js";

const FETCHES = new Set(["curl", "wget"]);
const INTERPRETERS =
  /^(?:python|pypy|perl|ruby|node|php|iex|pwsh|powershell|deno|lua)(?:\d[\d.]*)?$/;

/** The programs that run what curl or wget prints: `curl … | sh`, `sh -c "$(curl …)"`, `. <(curl …)`. */
export function findScriptsFromNetwork(programs: readonly ProgramRun[]): ProgramRun[] {
  const fetching = new Set<string>();
  return programs.filter((run) => {
    if (FETCHES.has(run.program)) {
      fetching.add(run.pipeline);
      return false;
    }
    const isShell = SHELLS.has(run.program);
    const sources = run.program === "." || run.program === "source" || run.program === "eval";
    const interprets = isShell || INTERPRETERS.test(run.program);
    if (interprets && fetching.has(run.pipeline) && readsInput(run.args)) return true;
    return (interprets || sources) && run.args.some(isFetched);
  });
}

/** Whether an interpreter is given no file to run instead of its input. */
function readsInput(args: readonly Argument[]): boolean {
  const [first] = args.filter(({ text }) => !/^[-+][A-Za-z]*[^s-]$/.test(text));
  return first === undefined || first.text.startsWith("-") || first.text === "/dev/stdin";
}

function isFetched({ commands }: Argument): boolean {
  return someCommand(
    commands,
    ({ words }) => words[0] !== undefined && FETCHES.has(programName(plainText(words[0]))),
  );
}
