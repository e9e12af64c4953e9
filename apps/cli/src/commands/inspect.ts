import { describeFailure } from "@molecule-ai/core";
import type { Fleet, FleetDetails, FleetWorkspace } from "../fleet/fleet.js";
import { openFleet } from "../fleet/open-fleet.js";
import type { WorkspaceWhy } from "../fleet/workspace-why.js";
import { formatInstant } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import type { CommandContext } from "../run-command.js";
import { workspaceGone } from "../workspace-gone.js";
import { formatStatus } from "./list.js";
import { summarizeWhy } from "./why.js";

/** `inspect` */
export async function inspect(context: CommandContext, query: string): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const found = await fleet.find(query);
  const details = await fleet.inspect(found.id);
  if (details === undefined) throw workspaceGone(query);
  const origin = await findOrigin(context, fleet, found);
  return {
    data: { workspace: details, ...(typeof origin === "object" ? { origin } : {}) },
    text: (style) =>
      formatDetails(details, style, typeof origin === "object" ? summarizeWhy(origin) : origin),
  };
}

/** A workspace is shown also where nobody can say how its image came to be; then a sentence says why. */
async function findOrigin(
  context: CommandContext,
  fleet: Fleet,
  workspace: FleetWorkspace,
): Promise<WorkspaceWhy | string> {
  try {
    return await fleet.explain(workspace);
  } catch (error) {
    context.signal.throwIfAborted();
    return `not known: ${describeFailure(error).message}`;
  }
}

export function formatDetails(details: FleetDetails, style: Style, origin?: string): string {
  const fields: (readonly [string, string | undefined])[] = [
    ["id", details.id],
    ["name", details.name],
    ["runtime", details.runtime],
    ["tier", String(details.tier)],
    ["status", formatStatus(details.status, style)],
    ["why", details.why],
    ["exit code", details.status === "running" ? undefined : details.exitCode?.toString()],
    ["restarts", details.restartCount === 0 ? undefined : details.restartCount?.toString()],
    ["url", details.url],
    ["image", details.image],
    ["image id", details.imageId],
    ["digest", details.digest],
    ["commit", details.revision],
    ["origin", origin],
    ["created", formatInstant(details.createdAt)],
    ["started", details.startedAt === undefined ? undefined : formatInstant(details.startedAt)],
    ["finished", details.finishedAt === undefined ? undefined : formatInstant(details.finishedAt)],
    [
      "volumes",
      details.volumes.map(({ name, path }) => `${path}  ${style.faint(name)}`).join("\n"),
    ],
    ["env", details.envNames.join("\n")],
  ];
  return formatFields(
    fields.filter((field): field is readonly [string, string] => Boolean(field[1])),
    style.strong,
  );
}
