import { and, eq, gt } from "drizzle-orm";
import { toBuildLogLine, type BuildLogLine, type BuildRow } from "../api/build-view.js";
import type { Store } from "../store/open-store.js";
import { buildLogs, builds } from "../store/schema.js";

/** The stored output of builds, also while they run. */
export interface BuildLogs {
  find(id: string): Promise<BuildRow | undefined>;
  /** Lines after `after`, in order. */
  read(id: string, after: number, limit: number): Promise<BuildLogLine[]>;
  /**
   * Lines after `after`, page by page, and those that come until the build is over; without `wait`
   * only those that are there. Ends early on abort.
   */
  follow(
    id: string,
    options: { readonly after: number; readonly wait: boolean; readonly signal: AbortSignal },
  ): AsyncIterable<readonly BuildLogLine[]>;
  close(): void;
}

interface Follower {
  isBehind: boolean;
  wake: (() => void) | undefined;
}

const PAGE = 500;

export async function createBuildLogs({
  store,
  pollMs = 3000,
}: {
  readonly store: Store;
  /** Looks again this often, in case that it was not told. */
  readonly pollMs?: number | undefined;
}): Promise<BuildLogs> {
  const followers = new Map<string, Set<Follower>>();
  const unsubscribe = await store.notifications.subscribe("molecule_build_logs", (buildId) => {
    const told = buildId === "" ? [...followers.values()] : [followers.get(buildId) ?? new Set()];
    for (const group of told) {
      for (const follower of group) {
        follower.isBehind = true;
        follower.wake?.();
      }
    }
  });

  const find = async (id: string): Promise<BuildRow | undefined> => {
    const [row] = await store.db.select().from(builds).where(eq(builds.id, id));
    return row;
  };
  const read = async (id: string, after: number, limit: number): Promise<BuildLogLine[]> => {
    const rows = await store.db
      .select()
      .from(buildLogs)
      .where(and(eq(buildLogs.buildId, id), gt(buildLogs.seq, after)))
      .orderBy(buildLogs.seq)
      .limit(limit);
    return rows.map(toBuildLogLine);
  };

  return {
    find,
    read,
    async *follow(id, { after, wait, signal }) {
      const follower: Follower = { isBehind: false, wake: undefined };
      const group = followers.get(id) ?? new Set();
      followers.set(id, group.add(follower));
      const onAbort = (): void => follower.wake?.();
      signal.addEventListener("abort", onAbort);
      try {
        let seen = after;
        while (!signal.aborted) {
          follower.isBehind = false;
          // The state first: lines that were written before the end are then all there.
          const build = await find(id);
          const lines = await read(id, seen, PAGE);
          if (lines.length > 0) yield lines;
          seen = lines.at(-1)?.seq ?? seen;
          if (lines.length === PAGE) continue;
          if (!wait || build?.state !== "running") return;
          if (!follower.isBehind) await nap(follower, pollMs, signal);
        }
      } finally {
        signal.removeEventListener("abort", onAbort);
        group.delete(follower);
        if (group.size === 0 && followers.get(id) === group) followers.delete(id);
      }
    },
    close: unsubscribe,
  };
}

/** Until the follower is woken or the time is over; it is woken on abort. */
async function nap(follower: Follower, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    follower.wake = resolve;
    timer = setTimeout(resolve, ms);
  });
  clearTimeout(timer);
  follower.wake = undefined;
}
