import type { FleetStatus, FleetWorkspace } from "../fleet/fleet.js";
import { openFleet } from "../fleet/open-fleet.js";
import { formatAge } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatTable } from "../output/table.js";
import type { CommandContext } from "../run-command.js";
import { shortId } from "../short-id.js";

/** `ls` */
export async function list(
  context: CommandContext,
  options: { readonly quiet?: boolean | undefined },
): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const workspaces = await fleet.list();
  const sorted = [...workspaces].sort((a, b) => b.createdAt - a.createdAt);
  const now = context.clock.now();
  return {
    data: { workspaces: sorted },
    text: (style) =>
      options.quiet === true
        ? sorted.map(({ id }) => id).join("\n")
        : formatWorkspaces(sorted, now, style),
  };
}

export function formatWorkspaces(
  workspaces: readonly FleetWorkspace[],
  now: number,
  style: Style,
): string {
  if (workspaces.length === 0) return "No workspaces. `up <runtime>` starts one.";
  return formatTable(
    workspaces,
    [
      { title: "ID", cell: ({ id }) => shortId(id) },
      { title: "NAME", cell: ({ name }) => name },
      { title: "RUNTIME", cell: ({ runtime }) => runtime },
      { title: "TIER", cell: ({ tier }) => String(tier), align: "right" },
      { title: "STATUS", cell: ({ status }) => formatStatus(status, style) },
      { title: "AGE", cell: ({ createdAt }) => formatAge(now - createdAt), align: "right" },
      { title: "URL", cell: ({ url }) => url ?? "-" },
    ],
    style.strong,
  );
}

/** A status in the colour of its meaning. */
export function formatStatus(status: FleetStatus, style: Style): string {
  switch (status) {
    case "running":
    case "online":
      return style.good(status);
    case "restarting":
    case "dead":
    case "failed":
    case "offline":
    case "degraded":
      return style.bad(status);
    case "created":
    case "paused":
    case "exited":
    case "removing":
    case "provisioning":
    case "awaiting_agent":
    case "hibernating":
    case "hibernated":
    case "removed":
      return style.warn(status);
    default:
      return status satisfies never;
  }
}
