import { randomUUID } from "node:crypto";
import type { FleetUpResult, UpRequest } from "../fleet/fleet.js";
import { readSecrets } from "../options/secrets.js";
import { refuseTier } from "../options/tier.js";
import type { CommandContext } from "../run-command.js";
import { created } from "./answers.js";
import { refuseOptions } from "./refuse-options.js";
import { runStart } from "./run-start.js";
import type { ServerClient } from "./server-client.js";

const NOT_THE_AGENTS_FILES =
  "The server takes files from the runtime's template only; change the template, or use --local.";

/** `up` through a server: the workspace is created, and its start is followed to its end. */
export async function remoteUp(
  context: CommandContext,
  client: ServerClient,
  request: UpRequest,
): Promise<FleetUpResult> {
  const { settings } = context;
  const { options, runtime } = request;
  refuseOptions(
    client.address.origin,
    {
      "--id": options.id,
      "--ref": options.ref,
      "--image": options.image,
      "--platform": options.platform,
      "--offline": options.offline,
      "--template": options.template,
      "--config-file": options.configFile,
      "--env": options.env,
      "--env-file": options.envFile,
      "--auth-token-file": options.authTokenFile,
      "--platform-url": options.platformUrl,
      "--timeout": request.timeoutMs,
    },
    {
      "--env": "Give it as --secret: that is environment too, and a server keeps it encrypted.",
      "--env-file":
        "Give it as --secret-file: that is environment too, and a server keeps it encrypted.",
      "--template": NOT_THE_AGENTS_FILES,
      "--config-file": NOT_THE_AGENTS_FILES,
      "--timeout": "The server has its own time limits: PROVISION_TIMEOUT_SECONDS.",
    },
  );
  // Which tiers a machine allows is for its server to say; that the typist means it is asked here.
  const refusal = refuseTier(options.tier, {
    allowPrivileged: options.allowPrivileged === true,
    maxTier: 4,
  });
  if (refusal !== undefined) throw refusal;
  const secrets = await readSecrets({
    references: options.secret,
    files: options.secretFile,
    env: settings.env,
    cwd: settings.cwd,
  });
  for (const secret of Object.values(secrets)) context.redactor.add(secret);
  context.signal.throwIfAborted();
  const name = options.name ?? runtime;
  const access =
    options.workspaceAccess ?? (options.workspacePath === undefined ? undefined : "read_write");
  const { id, operations, warnings } = await client.call({
    method: "POST",
    path: "/workspaces",
    idempotencyKey: randomUUID(),
    body: {
      name,
      runtime,
      tier: options.tier,
      ...(options.workspacePath === undefined ? {} : { workspace_dir: options.workspacePath }),
      ...(access === undefined || access === "" ? {} : { workspace_access: access }),
      ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
    },
    answer: created,
    // Not the run's: an answer that is not read would leave a workspace nobody here knows of.
    signal: new AbortController().signal,
  });
  for (const message of warnings) {
    context.onEvent({ type: "warning", code: "WARN_SERVER", message });
  }
  return runStart(context, client, {
    id,
    operationId: operations[0]?.id,
    afterEventId: "0",
    wait: request.wait,
    leavesNothing: true,
  });
}
