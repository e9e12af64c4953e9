import { planWorkspace, type UpResult } from "@molecule-ai/provisioner-core";
import { openWorkshop } from "../compose.js";
import type { SpecOptions } from "../grammar/spec-command.js";
import { refuseTier } from "../options/tier.js";
import { formatDuration } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import { readPlanSettings, UNKNOWN_INSTALL_ID } from "../plan-settings.js";
import type { CommandContext } from "../run-command.js";
import { shortId } from "../short-id.js";
import { readWorkspaceRequest } from "../workspace-request.js";

export type UpCommandOptions = SpecOptions & {
  readonly wait: boolean;
  readonly timeout?: number | undefined;
};

/** `up`: everything that can be refused is refused before the engine is asked anything. */
export async function up(
  context: CommandContext,
  runtime: string,
  options: UpCommandOptions,
): Promise<CommandResult> {
  const { spec } = await readWorkspaceRequest(context, runtime, options);
  const refusal = refuseTier(spec.tier, {
    allowPrivileged: options.allowPrivileged === true,
    maxTier: context.settings.maxTier,
  });
  if (refusal !== undefined) throw refusal;
  const { settings } = readPlanSettings(context.settings, {
    installId: context.settings.installId ?? UNKNOWN_INSTALL_ID,
    platform: options.platform,
  });
  planWorkspace(spec, settings);

  await using workshop = await openWorkshop(context, { platform: options.platform });
  const result = await workshop.provisioner.up(spec, {
    signal: context.signal,
    onEvent: context.onEvent,
    wait: options.wait,
    readyTimeoutMs: options.timeout,
  });
  return { data: describeUp(result), text: (style) => formatUp(result, style) };
}

/** The members of the result line. */
export function describeUp(result: UpResult): object {
  return { ...result };
}

export function formatUp(result: UpResult, style: Style): string {
  const { image } = result;
  const state = result.ready ? "is ready" : "runs";
  const fields: (readonly [string, string | undefined])[] = [
    ["id", result.id],
    ["url", result.url],
    ["tier", String(result.tier)],
    ["image", `${image.ref} (${image.outcome})`],
    ["commit", image.revision],
    ["digest", image.digest],
    [
      "time",
      result.timings
        .map(({ stage, durationMs }) => `${stage} ${formatDuration(durationMs)}`)
        .join(", "),
    ],
  ];
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  return [
    `${style.strong(result.name)} ${state} at ${result.url}`,
    formatFields(shown.map(([name, value]) => [`  ${name}`, value] as const)),
    style.faint(
      `  logs -f ${shortId(result.id)} shows its output, rm ${shortId(result.id)} ends it`,
    ),
  ].join("\n");
}
