import type { ServerContext } from "../server-context.js";
import { listServerInstances } from "../store/server-instances.js";

/**
 * Refuses what no server process could do now: none of those on this store has an engine.
 *
 * @throws ServerError `ERR_ENGINE_UNAVAILABLE`
 */
export async function requireBackend({ host, instanceId, store }: ServerContext): Promise<void> {
  if (host.host !== undefined) return;
  const processes = await listServerInstances(store.db);
  if (processes.some(({ id, hostId }) => id !== instanceId && hostId !== null)) return;
  host.require();
}
