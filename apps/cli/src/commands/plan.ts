import { LABELS } from "@molecule-ai/core";
import {
  planWorkspace,
  readTemplate,
  type PlannedVolume,
  type WorkspacePlan,
  type WorkspaceSpec,
} from "@molecule-ai/provisioner-core";
import type { SpecOptions } from "../grammar/spec-command.js";
import { refuseTier } from "../options/tier.js";
import { formatBytes } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields, formatTable } from "../output/table.js";
import { readPlanSettings, UNKNOWN_INSTALL_ID } from "../plan-settings.js";
import type { CommandContext } from "../run-command.js";
import { readWorkspaceRequest } from "../workspace-request.js";

/** `plan`: everything `up` would decide, without asking engine or network. */
export async function plan(
  context: CommandContext,
  runtime: string,
  options: SpecOptions,
): Promise<CommandResult> {
  const { spec, defaultConfig } = await readWorkspaceRequest(context, runtime, options);
  const { settings, warnings } = readPlanSettings(context.settings, {
    installId: context.settings.installId ?? UNKNOWN_INSTALL_ID,
    platform: options.platform,
  });
  for (const warning of warnings) context.onEvent(warning);
  const template =
    spec.templatePath === undefined ? undefined : await readTemplate(spec.templatePath);
  const workspacePlan = planWorkspace(spec, settings, { template });
  const refusal = refuseTier(workspacePlan.tier, {
    allowPrivileged: options.allowPrivileged === true,
    maxTier: context.settings.maxTier,
  });
  if (refusal !== undefined) {
    context.onEvent({
      type: "warning",
      code: refusal.code,
      message: `up would refuse this: ${refusal.message}`,
      hint: refusal.hint,
    });
  }
  const notes = describeUnknowns(spec, {
    builds: settings.registry.kind === "local-build" && spec.image === undefined,
    defaultConfig,
    installIdKnown: context.settings.installId !== undefined,
  });
  return {
    data: { plan: workspacePlan, notes },
    text: (style) => formatPlan(workspacePlan, notes, style),
  };
}

/** What a reader of the plan should know beside it. */
function describeUnknowns(
  spec: WorkspaceSpec,
  facts: {
    readonly builds: boolean;
    readonly defaultConfig: boolean;
    readonly installIdKnown: boolean;
  },
): readonly string[] {
  const notes: string[] = [];
  if (facts.builds) {
    const commit = spec.ref === undefined ? "the head" : `"${spec.ref}"`;
    notes.push(`The image is built from ${commit} of the template; its tag will be that commit.`);
    if (spec.templatePath === undefined) {
      notes.push("The template's own files go to /configs, below the files given here.");
    }
  }
  if (facts.defaultConfig) {
    notes.push("Nobody gave a config.yaml: a default one goes to /configs.");
  }
  if (!facts.installIdKnown) {
    notes.push("The install id is derived from the engine, which was not asked.");
  }
  return notes;
}

export function formatPlan(plan: WorkspacePlan, notes: readonly string[], style: Style): string {
  const { container } = plan;
  const sections = [
    formatFields(
      [
        ["id", plan.id],
        ["name", plan.name],
        ["runtime", plan.runtime],
        ["tier", String(plan.tier)],
        ["image", container.image],
        ["platform", container.platform ?? "the engine's own"],
        ["container", container.name],
        ["install id", container.labels[LABELS.install] ?? ""],
        ["network", plan.network?.name ?? "the host's"],
        ["agent", `${plan.internalUrl} (port ${plan.agentPort})`],
      ],
      style.strong,
    ),
    section("Volumes", plan.volumes, style, (volumes) =>
      formatTable<PlannedVolume>(volumes, [
        { title: "PATH", cell: ({ path }) => path },
        { title: "ROLE", cell: ({ role }) => role },
        { title: "NAME", cell: ({ name }) => name },
      ]),
    ),
    section("Files", plan.files, style, (files) =>
      formatTable(files, [
        { title: "PATH", cell: ({ path }) => path },
        { title: "MODE", cell: ({ mode }) => mode.toString(8).padStart(4, "0") },
        { title: "SIZE", cell: ({ sizeBytes }) => formatBytes(sizeBytes), align: "right" },
        { title: "FROM", cell: ({ origin }) => origin },
      ]),
    ),
    section("Environment", container.env, style, (env) => env.join("\n")),
    section("Secrets", plan.secretNames, style, (names) => names.join("\n")),
    section("Host config", Object.entries(container.hostConfig), style, (entries) =>
      formatFields(
        entries
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, formatValue(value)] as const),
      ),
    ),
    section("Notes", notes, style, (texts) => texts.join("\n")),
  ];
  return sections.filter((text) => text !== "").join("\n\n");
}

function section<T>(
  title: string,
  items: readonly T[],
  style: Style,
  format: (items: readonly T[]) => string,
): string {
  if (items.length === 0) return "";
  const body = format(items)
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
  return `${style.strong(title)}\n${body}`;
}

function formatValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
