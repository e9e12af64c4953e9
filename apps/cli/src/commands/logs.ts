import type { LogRequest } from "../fleet/fleet.js";
import { openFleet } from "../fleet/open-fleet.js";
import { createLineSink, createRawSink, createTerminalSink } from "../output/output-sink.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";

/** `logs` */
export async function logs(
  context: CommandContext,
  query: string,
  options: Omit<LogRequest, "signal">,
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const { id } = await fleet.find(query);
  const sink = createSink(context);
  try {
    const lines = fleet.logs(id, {
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
