import { z } from "zod";
import { readWorkspacePage } from "../remote/workspace-page.js";
import type { ServerClient } from "../remote/server-client.js";
import { ok, skipped, type Check } from "./check.js";
import { runCheck } from "./run-check.js";

const health = z.object({ status: z.literal("ok") });
const readiness = z.object({
  status: z.string().max(100),
  parts: z.record(z.string(), z.string().max(100)),
});

/** What `doctor` looks at when a server does the work: its machine is its own affair. */
export async function checkServer(
  client: ServerClient,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const { origin } = client.address;
  const reached = await runCheck("server", signal, async (limited) => {
    await client.call({ method: "GET", path: "/health", answer: health, signal: limited });
    return ok("server", `${origin} answers`);
  });
  if (reached.status !== "ok") {
    return [reached, skipped("ready", "no server"), skipped("token", "no server")];
  }
  const others = await Promise.all([
    runCheck("ready", signal, async (limited): Promise<Check> => {
      const { status, parts } = await client.call({
        method: "GET",
        path: "/ready",
        answer: readiness,
        signal: limited,
      });
      const told = Object.entries(parts)
        .map(([part, state]) => `${part} ${state}`)
        .join(", ");
      if (status === "ready") return ok("ready", told);
      const remedy = "Look at the log of the server, and at the engine of its machine.";
      return { name: "ready", status: "warning", message: `${status}: ${told}`, remedy };
    }),
    runCheck("token", signal, async (limited) => {
      await readWorkspacePage(client, { limit: "1", signal: limited });
      return ok("token", "the server takes it, and lists workspaces for it");
    }),
  ]);
  return [reached, ...others];
}
