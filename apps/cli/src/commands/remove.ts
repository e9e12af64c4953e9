import { openFleet } from "../fleet/open-fleet.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";

/** `rm`: all names are resolved before the first one is removed. */
export async function remove(
  context: CommandContext,
  queries: readonly string[],
  options: { readonly keepVolumes?: boolean | undefined; readonly grace?: number | undefined },
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const removed = await fleet.remove(await fleet.findAll(queries), {
    keepVolumes: options.keepVolumes,
    graceSeconds: options.grace,
  });
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
