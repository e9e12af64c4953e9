import { openMachine } from "../compose.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";

/** `rm`: all names are resolved before the first one is removed. */
export async function remove(
  context: CommandContext,
  queries: readonly string[],
  options: { readonly keepVolumes?: boolean | undefined; readonly grace?: number | undefined },
): Promise<CommandResult> {
  await using machine = await openMachine(context);
  const workspaces = await machine.findAll(queries, context.signal);
  const removed: {
    readonly id: string;
    readonly name: string;
    readonly parts: readonly string[];
  }[] = [];
  for (const { id, name } of workspaces) {
    const result = await machine.backend.remove(id, {
      signal: context.signal,
      keepVolumes: options.keepVolumes,
      graceSeconds: options.grace,
    });
    removed.push({ id, name, parts: result.removed });
  }
  return {
    data: { removed },
    text: (style) =>
      removed
        .map(({ id, name, parts }) =>
          [
            `removed ${name} (${id})`,
            ...parts.map((part) => style.faint(`  ${part}`)),
            ...(options.keepVolumes === true
              ? [`  its storage is kept: up --id ${id} finds it, sweep --volumes removes it`]
              : []),
          ].join("\n"),
        )
        .join("\n"),
  };
}
