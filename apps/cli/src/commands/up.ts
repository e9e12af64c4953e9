import type { FleetUpResult } from "../fleet/fleet.js";
import { openFleet } from "../fleet/open-fleet.js";
import type { SpecOptions } from "../grammar/spec-command.js";
import { formatDuration } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import type { CommandContext } from "../run-command.js";
import { shortId } from "../short-id.js";

export type UpCommandOptions = SpecOptions & {
  readonly wait: boolean;
  readonly timeout?: number | undefined;
};

/** `up` */
export async function up(
  context: CommandContext,
  runtime: string,
  options: UpCommandOptions,
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const result = await fleet.up({
    runtime,
    options,
    wait: options.wait,
    timeoutMs: options.timeout,
  });
  return { data: describeUp(result), text: (style) => formatUp(result, style) };
}

/** The members of the result line. */
export function describeUp(result: FleetUpResult): object {
  return { ...result };
}

export function formatUp(result: FleetUpResult, style: Style): string {
  const { image, url } = result;
  const state = result.ready ? "is ready" : "runs";
  const fields: (readonly [string, string | undefined])[] = [
    ["id", result.id],
    ["url", url],
    ["tier", String(result.tier)],
    ["image", image === undefined ? undefined : `${image.ref} (${image.outcome})`],
    ["commit", image?.revision],
    ["digest", image?.digest],
    [
      "time",
      result.timings
        .map(({ stage, durationMs }) => `${stage} ${formatDuration(durationMs)}`)
        .join(", "),
    ],
  ];
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  return [
    `${style.strong(result.name)} ${state}${url === undefined ? "" : ` at ${url}`}`,
    formatFields(shown.map(([name, value]) => [`  ${name}`, value] as const)),
    style.faint(
      `  logs -f ${shortId(result.id)} shows its output, rm ${shortId(result.id)} ends it`,
    ),
  ].join("\n");
}
