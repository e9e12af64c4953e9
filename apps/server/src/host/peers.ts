import { sql } from "drizzle-orm";
import { queryRows } from "../store/database.js";
import type { Store } from "../store/open-store.js";

/** A process that was not seen for this long is not asked. */
const ALIVE_SECONDS = 45;

/** Where other processes with this engine listen, the most recently seen first. */
export async function listPeerUrls(
  { db }: Store,
  host: { readonly hostId: string; readonly exceptInstanceId: string },
): Promise<string[]> {
  const rows = await queryRows<{ url: string }>(
    db,
    sql`
      select url from server_instances
      where host_id = ${host.hostId} and id <> ${host.exceptInstanceId} and url is not null
        and seen_at > now() - make_interval(secs => ${ALIVE_SECONDS})
      order by seen_at desc limit 4`,
  );
  return rows.map(({ url }) => url);
}
