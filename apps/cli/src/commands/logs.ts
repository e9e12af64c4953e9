import { openMachine } from "../compose.js";
import { createLineSink, createRawSink, createTerminalSink } from "../output/output-sink.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";

export interface LogsOptions {
  readonly follow?: boolean | undefined;
  readonly tail?: number | undefined;
  /** Unix milliseconds. */
  readonly since?: number | undefined;
  readonly timestamps?: boolean | undefined;
}

/** `logs` */
export async function logs(
  context: CommandContext,
  query: string,
  options: LogsOptions,
): Promise<CommandResult> {
  await using machine = await openMachine(context);
  const { id } = await machine.find(query, context.signal);
  const sink = createSink(context);
  try {
    const lines = machine.backend.logs(id, {
      ...options,
      signal: AbortSignal.any([context.signal, context.outputClosed]),
    });
    for await (const line of lines) sink.write(line.stream, line.bytes);
  } catch (error) {
    // `logs -f … | head`: the reader has seen enough.
    if (!context.outputClosed.aborted) throw error;
  } finally {
    sink.end();
  }
  return { data: { id }, text: () => "" };
}

function createSink(context: CommandContext) {
  if (context.json) {
    return createLineSink((stream, text) => {
      context.onEvent({ type: "output", stream, text });
    });
  }
  if (!context.terminal.stdout.isTerminal) return createRawSink(context.writeBytes);
  return createTerminalSink((stream, text) => {
    context.writeBytes(stream, Buffer.from(text));
  });
}
