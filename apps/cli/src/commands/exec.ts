import { openMachine } from "../compose.js";
import { CliError } from "../errors.js";
import { readEnvironment } from "../options/environment.js";
import { createLineSink, createRawSink } from "../output/output-sink.js";
import type { CommandResult } from "../output/reporter.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";
import { openTerminalSession, processStdin } from "../terminal-session.js";

export interface ExecOptions {
  readonly interactive?: boolean | undefined;
  readonly tty?: boolean | undefined;
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  readonly env?: readonly string[] | undefined;
}

/** `exec`: the result's exit code is the program's own. */
export async function exec(
  context: CommandContext,
  query: string,
  words: readonly string[],
  options: ExecOptions,
): Promise<CommandResult> {
  requireLocal(context, "exec");
  const argv = readCommand(words);
  const tty = options.tty === true;
  if (tty) requireTerminal(context);
  const { env, cwd } = context.settings;
  const environment = await readEnvironment({
    assignments: options.env ?? [],
    files: [],
    env,
    cwd,
  });
  await using machine = await openMachine(context);
  const { id } = await machine.find(query, context.signal);
  const sink = context.json
    ? createLineSink((stream, text) => {
        context.onEvent({ type: "output", stream, text });
      })
    : createRawSink(context.writeBytes);
  using session = tty ? openTerminalSession() : undefined;
  const { exitCode } = await machine.backend.exec(id, {
    argv,
    env: environment,
    user: options.user,
    workingDir: options.workdir,
    tty,
    stdin: session?.stdin ?? (options.interactive === true ? processStdin() : undefined),
    onResizable: session?.onResizable,
    onOutput: ({ stream, bytes }) => {
      sink.write(stream, bytes);
    },
    signal: context.signal,
  });
  sink.end();
  return { data: { id }, text: () => "", exitCode };
}

/** The program and its arguments, without the `--` that may stand before them. */
function readCommand(words: readonly string[]): readonly string[] {
  const argv = words[0] === "--" ? words.slice(1) : words;
  if (argv.length > 0) return argv;
  throw new CliError("ERR_CLI_USAGE", "exec: no program was given after --", {
    hint: "Give a program and its arguments: exec <workspace> -- <program> [argument…].",
  });
}

function requireTerminal(context: CommandContext): void {
  const { stdin, stdout } = context.terminal;
  if (!context.json && stdin.isTerminal && stdout.isTerminal) return;
  throw new CliError("ERR_CLI_USAGE", "--tty needs a terminal on stdin and stdout", {
    hint: "Leave out -t; -i alone passes a pipe on. With --json there is never a terminal.",
  });
}
