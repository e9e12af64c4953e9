import { sql } from "drizzle-orm";
import type { Database } from "./database.js";

/** What is told between processes; the payload is an id, never the thing itself. */
export type Channel =
  "molecule_events" | "molecule_operations" | "molecule_build_logs" | "molecule_tokens";

/** An empty payload means that some may have been missed: look again at everything. */
export type OnPayload = (payload: string) => void;

export interface Notifications extends AsyncDisposable {
  /** Calls back for every NOTIFY from now on, those of this process too. Call the result to stop. */
  subscribe(channel: Channel, onPayload: OnPayload): Promise<() => void>;
}

type Listen = (channel: Channel, onPayload: OnPayload) => Promise<() => Promise<void>>;

/** One LISTEN per channel, however many subscribe. */
export function createNotifications(listen: Listen): Notifications {
  const channels = new Map<
    Channel,
    { readonly subscribers: Set<OnPayload>; readonly unlisten: Promise<() => Promise<void>> }
  >();
  return {
    async subscribe(channel, onPayload) {
      let entry = channels.get(channel);
      if (entry === undefined) {
        const subscribers = new Set<OnPayload>();
        const unlisten = listen(channel, (payload) => {
          for (const subscriber of subscribers) subscriber(payload);
        });
        entry = { subscribers, unlisten };
        channels.set(channel, entry);
        unlisten.catch(() => channels.delete(channel));
      }
      const { subscribers, unlisten } = entry;
      subscribers.add(onPayload);
      await unlisten;
      return () => void subscribers.delete(onPayload);
    },
    async [Symbol.asyncDispose]() {
      const open = [...channels.values()];
      channels.clear();
      for (const { unlisten } of open) {
        const stop = await unlisten.catch(() => undefined);
        await stop?.();
      }
    },
  };
}

/** Told when the transaction commits, and only then. */
export async function notify(db: Database, channel: Channel, payload: string): Promise<void> {
  await db.execute(sql`select pg_notify(${channel}, ${payload})`);
}
