import { openFleet } from "../fleet/open-fleet.js";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";
import { shortId } from "../short-id.js";

/** A shell that waits longer for candidates feels stuck. */
const PATIENCE_MS = 3000;

/** Candidates, one per line; nothing, and no error, when they cannot be had. */
export async function complete(context: CommandContext, kind: string): Promise<CommandResult> {
  const candidates = await readCandidates(context, kind).catch(() => []);
  return { data: { candidates }, text: () => candidates.join("\n") };
}

async function readCandidates(context: CommandContext, kind: string): Promise<readonly string[]> {
  if (kind === "runtimes") {
    const { runtimesFromEnv } = await import("@molecule-ai/registry-mode");
    return runtimesFromEnv(context.settings.env).names;
  }
  if (kind !== "workspaces") return [];
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(PATIENCE_MS)]);
  await using fleet = await openFleet({ ...context, signal });
  const workspaces = await fleet.list();
  const names = workspaces.map(({ name }) => name);
  // A name that two workspaces have addresses neither.
  return workspaces.map(({ id, name }) =>
    name !== "" && names.indexOf(name) === names.lastIndexOf(name) ? name : shortId(id),
  );
}
