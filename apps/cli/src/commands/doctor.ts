import { resolveRegistry, runtimesFromEnv } from "@molecule-ai/registry-mode";
import { openEngine, readInstallId } from "../compose.js";
import { ok, skipped, type Check } from "../doctor/check.js";
import { judgeClock, type ClockReading } from "../doctor/clock.js";
import { checkDisk } from "../doctor/disk.js";
import {
  checkBuilder,
  checkEngine,
  checkNetwork,
  checkRuntimes,
  readEngineClock,
} from "../doctor/engine-checks.js";
import { runCheck } from "../doctor/run-check.js";
import { checkGit, checkGitea, checkRegistry } from "../doctor/source-checks.js";
import { EXIT } from "../exit-codes.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import { chooseServer, type ServerAddress } from "../remote/server-address.js";
import type { CommandContext } from "../run-command.js";

/** `doctor`: every check is made, whatever became of the others. */
export async function doctor(context: CommandContext): Promise<CommandResult> {
  const address = chooseServer(context.choice, context.settings.serverUrl);
  const checks = await (address === undefined ? examine(context) : examineServer(context, address));
  const failed = checks.filter(({ status }) => status === "failed").length;
  return {
    data: { checks },
    text: (style) => formatChecks(checks, style),
    exitCode: failed > 0 ? EXIT.failed : undefined,
  };
}

async function examineServer(
  context: CommandContext,
  address: ServerAddress,
): Promise<readonly Check[]> {
  const [{ openServer }, { checkServer }] = await Promise.all([
    import("../remote/open-server.js"),
    import("../doctor/server-checks.js"),
  ]);
  await using client = await openServer(context, address);
  return await checkServer(client, context.signal);
}

async function examine(context: CommandContext): Promise<readonly Check[]> {
  const { settings, signal } = context;
  const { env } = settings;
  const now = (): number => context.clock.now();
  const facts = { env, registry: resolveRegistry(env), runtimes: runtimesFromEnv(env) };
  const clocks: ClockReading[] = [];

  let giteaCheck: Check | undefined;
  const giteaDone = runCheck("gitea", signal, async (limited) => {
    const { check, clock } = await checkGitea(facts, now, limited);
    if (clock !== undefined) clocks.push(clock);
    return check;
  }).then((check) => (giteaCheck = check));
  const gitDone = runCheck("git", signal, (limited) => checkGit(facts, limited));

  const onEngine = await examineEngine(context, facts, clocks);
  const [, git] = await Promise.all([giteaDone, gitDone]);
  return [...onEngine, ...(giteaCheck === undefined ? [] : [giteaCheck]), git, judgeClock(clocks)];
}

async function examineEngine(
  context: CommandContext,
  facts: Parameters<typeof checkRegistry>[1],
  clocks: ClockReading[],
): Promise<readonly Check[]> {
  const { settings, signal } = context;
  const names = ["builder", "disk", "network", "tiers", "registry", "install id"];
  let engine: Awaited<ReturnType<typeof openEngine>> | undefined;
  const reached = await runCheck("engine", signal, async (limited) => {
    engine = await openEngine({ ...context, signal: limited });
    return checkEngine(engine, limited);
  });
  if (engine === undefined) return [reached, ...names.map((name) => skipped(name, "no engine"))];
  await using open = engine;
  const clockRead = readEngineClock(open, () => context.clock.now(), signal).catch(() => undefined);
  const checks = await Promise.all([
    runCheck("builder", signal, (limited) => checkBuilder(open, limited)),
    runCheck("disk", signal, (limited) => checkDisk(open, limited)),
    runCheck("network", signal, (limited) => checkNetwork(open, settings.env, limited)),
    runCheck("tiers", signal, (limited) => checkRuntimes(open, settings.env, limited)),
    runCheck("registry", signal, (limited) => checkRegistry(open, facts, limited)),
    runCheck("install id", signal, async (limited) =>
      ok("install id", await readInstallId(open, settings, limited)),
    ),
  ]);
  const clock = await clockRead;
  if (clock !== undefined) clocks.push(clock);
  return [reached, ...checks];
}

export function formatChecks(checks: readonly Check[], style: Style): string {
  const looks = {
    ok: style.good,
    warning: style.warn,
    failed: style.bad,
    skipped: style.faint,
  } as const;
  return formatFields(
    checks.map(({ name, status, message, remedy }) => [
      `${looks[status](status.padEnd(7))}  ${name}`,
      remedy === undefined ? message : `${message}\n${remedy}`,
    ]),
  );
}
