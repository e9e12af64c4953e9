import { sql } from "drizzle-orm";
import { queryRows } from "../store/database.js";
import type { ServerContext } from "../server-context.js";

/**
 * Refuses what no server process could do now: none of those on this store has an engine.
 *
 * @throws ServerError `ERR_ENGINE_UNAVAILABLE`
 */
export async function requireBackend({ host, store }: ServerContext): Promise<void> {
  if (host.host !== undefined) return;
  const peers = await queryRows(
    store.db,
    sql`select 1 from server_instances
        where host_id is not null and seen_at > now() - interval '1 minute' limit 1`,
  );
  if (peers.length === 0) host.require();
}
