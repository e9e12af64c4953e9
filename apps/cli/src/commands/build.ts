import { openMachine, openWorkshop } from "../compose.js";
import type { CommandResult } from "../output/reporter.js";
import { formatFields } from "../output/table.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";

export interface BuildCommandOptions {
  readonly ref?: string | undefined;
  readonly platform?: string | undefined;
  readonly offline?: boolean | undefined;
}

/** `build`: the image `up` would use, made present: built here, or pulled when a registry is set. */
export async function build(
  context: CommandContext,
  runtime: string,
  options: BuildCommandOptions,
): Promise<CommandResult> {
  requireLocal(context, "build");
  await using machine = await openMachine(context);
  await using workshop = await openWorkshop(context, machine, { platform: options.platform });
  const image = await workshop.images.ensure(runtime, {
    signal: context.signal,
    onEvent: context.onEvent,
    ref: options.ref,
    offline: options.offline,
  });
  const fields: (readonly [string, string | undefined])[] = [
    ["id", image.imageId],
    ["commit", image.revision],
    ["source", image.source],
    ["digest", image.digest],
    ["platform", image.platform],
  ];
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  return {
    data: { image },
    text: (style) =>
      [
        `${style.strong(image.ref)} ${image.outcome}`,
        formatFields(shown.map(([name, value]) => [`  ${name}`, value] as const)),
      ].join("\n"),
  };
}
