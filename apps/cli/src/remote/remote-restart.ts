import { z } from "zod";
import type { FleetUpResult, FleetWorkspace, RestartRequest } from "../fleet/fleet.js";
import type { CommandContext } from "../run-command.js";
import { begun } from "./answers.js";
import { refuseOptions } from "./refuse-options.js";
import { runStart } from "./run-start.js";
import type { ServerClient } from "./server-client.js";

/** `restart` through a server; one that was stopped is started again. */
export async function remoteRestart(
  context: CommandContext,
  client: ServerClient,
  workspace: FleetWorkspace,
  request: RestartRequest,
): Promise<FleetUpResult> {
  const { signal } = context;
  const { id, status } = workspace;
  refuseOptions(
    client.address.origin,
    { "--timeout": request.timeoutMs },
    { "--timeout": "The server has its own time limits: PROVISION_TIMEOUT_SECONDS." },
  );
  const [newest] = await client.call({
    method: "GET",
    path: `/workspaces/${id}/events`,
    query: { limit: "1" },
    answer: z.array(z.object({ id: z.int() })),
    signal,
  });
  signal.throwIfAborted();
  const ask = (action: "resume" | "restart", body: Record<string, true>) =>
    client.call({
      method: "POST",
      path: `/workspaces/${id}/${action}`,
      body,
      answer: begun,
      // Not the run's: what an unread answer has begun could not be cancelled.
      signal: new AbortController().signal,
    });
  let answer = status === "paused" ? await ask("resume", {}) : undefined;
  if (answer === undefined || request.upgrade === true) {
    answer = await ask("restart", request.upgrade === true ? { upgrade: true } : {});
  }
  return runStart(context, client, {
    id,
    operationId: answer.operations[0]?.id,
    afterEventId: String(newest?.id ?? 0),
    wait: request.wait,
    leavesNothing: false,
  });
}
