import { findWorkspace } from "../address.js";
import { openLocalBuild, openMachine, openWorkshop, type Machine } from "../compose.js";
import { refuseTier } from "../options/tier.js";
import type { CommandContext } from "../run-command.js";
import type { Fleet, Removed } from "./fleet.js";

/** The workspaces on this machine's engine, which is connected to at the first question. */
export function createLocalFleet(context: CommandContext): Fleet {
  const { signal, onEvent } = context;
  let opened: Promise<Machine> | undefined;
  const machine = (): Promise<Machine> => (opened ??= openMachine(context));
  const list: Fleet["list"] = async () => (await machine()).backend.list({ signal });

  return {
    list,
    async find(query) {
      return findWorkspace(await list(), query);
    },
    async findAll(queries) {
      const workspaces = await list();
      return [...new Set(queries.map((query) => findWorkspace(workspaces, query)))];
    },
    async inspect(id) {
      return (await machine()).backend.inspect(id, { signal });
    },
    async explain(workspace) {
      const { explainLocally } = await import("./local-why.js");
      return explainLocally(context, await machine(), workspace);
    },
    async *logs(id, request) {
      yield* (await machine()).backend.logs(id, request);
    },
    async up(request) {
      const { planLocalUp } = await import("./plan-local-up.js");
      const spec = await planLocalUp(context, request);
      const { platform } = request.options;
      await using workshop = await openWorkshop(context, await machine(), { platform });
      return await workshop.provisioner.up(spec, {
        signal,
        onEvent,
        wait: request.wait,
        readyTimeoutMs: request.timeoutMs,
      });
    },
    async restart({ id, tier }, request) {
      await using workshop = await openWorkshop(context, await machine());
      // It was allowed when the workspace was made; only the machine's cap still counts.
      const { maxTier } = context.settings;
      const refusal = refuseTier(tier, { allowPrivileged: true, maxTier });
      if (refusal !== undefined) throw refusal;
      return await workshop.provisioner.restart(id, {
        signal,
        onEvent,
        upgrade: request.upgrade,
        wait: request.wait,
        readyTimeoutMs: request.timeoutMs,
      });
    },
    async stop({ id }, request) {
      return (await machine()).backend.stop(id, { signal, ...request });
    },
    async remove(workspaces, request) {
      const { backend } = await machine();
      const removed: Removed[] = [];
      for (const { id, name } of workspaces) {
        const { removed: parts } = await backend.remove(id, { signal, ...request });
        removed.push({ id, name, parts });
      }
      return removed;
    },
    async sweep(request) {
      await using workshop = await openWorkshop(context, await machine());
      // A workspace is wanted as long as the engine lists it. One that was never started is what a
      // killed `up` left; one that is being made at this moment is younger than the grace period.
      const started = (await list()).filter(({ status }) => status !== "created");
      const ids = new Set(started.map(({ id }) => id));
      return await workshop.provisioner.sweep({
        owned: (id) => ids.has(id),
        signal,
        onEvent,
        ...request,
      });
    },
    async images() {
      await using localBuild = await openLocalBuild(context, await machine());
      return await localBuild.images({ signal });
    },
    async [Symbol.asyncDispose]() {
      // One that could not be opened holds nothing.
      const open = await opened?.catch(() => undefined);
      await open?.[Symbol.asyncDispose]();
    },
  };
}
