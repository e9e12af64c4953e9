import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { bashScript } from "../completion/bash.js";
import { fishScript } from "../completion/fish.js";
import { readGlobalOptions, readShape } from "../completion/shape.js";
import { SHELLS, type Shell } from "../completion/shells.js";
import { zshScript } from "../completion/zsh.js";
import { CliError } from "../errors.js";
import type { CommandResult } from "../output/reporter.js";

const SCRIPTS: Readonly<Record<Shell, typeof bashScript>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** `completion` */
export function completion(program: CommandUnknownOpts, name: string): CommandResult {
  const shell = SHELLS.find((candidate) => candidate === name);
  if (shell === undefined) {
    throw new CliError("ERR_CLI_USAGE", `There is no completion script for ${name}`, {
      hint: `Give one of ${SHELLS.join(", ")}.`,
    });
  }
  const script = SCRIPTS[shell](program.name(), readShape(program), readGlobalOptions(program));
  return { data: { shell, script }, text: () => script.trimEnd() };
}
