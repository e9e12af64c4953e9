import type { Host } from "../host/host.js";
import type { ServerContext } from "../server-context.js";
import { noteDatabaseAge } from "./database-age.js";
import { createHealthLoop } from "./health.js";
import { createHibernationLoop } from "./hibernation.js";
import type { Loop } from "./loop.js";
import { createOrphansLoop } from "./orphans.js";
import { createProvisionDeadlinesLoop } from "./provision-deadlines.js";
import { createRemoteHeartbeatsLoop } from "./remote-heartbeats.js";
import { createRetentionLoop } from "./retention.js";
import { supervise } from "./supervise.js";
import { createTokensLoop } from "./tokens.js";

/** Loops that one process of all leads. */
function createGlobalLoops(context: ServerContext): readonly Loop[] {
  return [
    createProvisionDeadlinesLoop(context),
    createRemoteHeartbeatsLoop(context),
    createTokensLoop(context),
    createHibernationLoop(context),
    createRetentionLoop(context),
  ];
}

/** Loops that one process of each engine leads. */
function createHostLoops(context: ServerContext, host: Host): readonly Loop[] {
  return [createHealthLoop(context, host), createOrphansLoop(context, host)];
}

/**
 * Starts all background loops; those of the engine wait until it answered. Disposing it ends the
 * runs under way and gives the leads away; do that while the store and the engine are still open.
 */
export async function startLoops(context: ServerContext): Promise<AsyncDisposable> {
  const { clock, logger, instanceId, store } = context;
  await noteDatabaseAge(store.db);
  const over = new AbortController();
  const start = (loops: readonly Loop[], hostId: string | undefined): AsyncDisposable[] =>
    loops.map((loop) => supervise(loop, { db: store.db, instanceId, hostId, clock, logger }));
  const supervisors = start(createGlobalLoops(context), undefined);
  const connecting = context.host
    .connected({ signal: over.signal })
    .then((host) => {
      if (!over.signal.aborted) supervisors.push(...start(createHostLoops(context, host), host.id));
    })
    // Rejects only when all is over before an engine answered.
    .catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await connecting;
      await Promise.all(supervisors.map((supervisor) => supervisor[Symbol.asyncDispose]()));
    },
  };
}
