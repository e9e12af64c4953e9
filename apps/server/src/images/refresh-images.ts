import { describeFailure } from "@molecule-ai/core";
import { containerName } from "@molecule-ai/provisioner-core";
import { resolveRegistry, type ResolvedImage } from "@molecule-ai/registry-mode";
import { and, eq, inArray, sql } from "drizzle-orm";
import { ServerError } from "../errors.js";
import type { Host } from "../host/host.js";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { imageDigests, workspaces } from "../store/schema.js";
import type { Requester } from "../workspaces/requester.js";
import { restartWorkspace } from "../workspaces/restart-workspace.js";
import { readImagePins } from "./pins.js";

export interface RefreshRequest {
  /** In order; each is known. */
  readonly runtimes: readonly string[];
  /** Workspaces that run another image of these runtimes are restarted with the new one. */
  readonly recreate: boolean;
  readonly requester: Requester;
  readonly signal: AbortSignal;
}

/** What was done, also while it is being done. */
export interface ImageRefresh {
  readonly pulled: string[];
  readonly pinned: string[];
  readonly failures: {
    readonly runtime: string;
    readonly code: string;
    readonly message: string;
  }[];
  readonly recreated: { readonly container: string; readonly operation: OperationRow }[];
}

const AT_ONCE = 2;

/**
 * Brings the newest image of each runtime to this engine: pulled, or built where images are built
 * here. One that fails is told of and does not keep the others from it. What a pin holds is left.
 * A digest is remembered only when its image is here.
 *
 * `refresh` is written to on the way, so that what was done is known also when this fails.
 */
export async function refreshImages(
  context: ServerContext,
  host: Host,
  request: RefreshRequest,
  refresh: ImageRefresh,
): Promise<void> {
  const { config, runtimes, store } = context;
  const pins = await readImagePins(store.db, { env: config.env, runtimes });
  const isPulled = resolveRegistry(config.env).kind === "registry";
  const queue = [...request.runtimes];
  const current = new Map<string, Pick<ResolvedImage, "imageId" | "digest"> | undefined>();
  const work = async (): Promise<void> => {
    for (let runtime = queue.shift(); runtime !== undefined; runtime = queue.shift()) {
      if (isPulled && pins.has(runtime)) {
        refresh.pinned.push(runtime);
        continue;
      }
      let image: ResolvedImage;
      try {
        image = await host.images.ensure(runtime, { signal: request.signal });
      } catch (error) {
        if (context.shutdown.aborted) throw stopping();
        const { code, message } = describeFailure(error);
        refresh.failures.push({ runtime, code, message: context.redactor.redact(message) });
        continue;
      }
      await remember(context, runtime, image);
      current.set(runtime, image);
      refresh.pulled.push(runtime);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (request.recreate) await recreate(context, host, request, { current, refresh });
  await store.db.transaction((tx) =>
    recordEvents(tx, [
      {
        type: "IMAGES_REFRESHED",
        ...request.requester,
        payload: {
          pulled: refresh.pulled,
          failed: refresh.failures.map(({ runtime }) => runtime),
          recreated: refresh.recreated.map(({ container }) => container),
        },
      },
    ]),
  );
}

async function remember(
  { store }: ServerContext,
  runtime: string,
  image: ResolvedImage,
): Promise<void> {
  // What was built here has no digest of a registry, but an id that is as good.
  const seen = {
    ref: image.ref,
    digest: image.digest ?? image.imageId,
    seenAt: sql`clock_timestamp()`,
  };
  await store.db
    .insert(imageDigests)
    .values({ runtime, ...seen })
    .onConflictDoUpdate({ target: imageDigests.runtime, set: seen });
}

/** Restarts, through the queue, what runs on this engine with another image than the current one. */
async function recreate(
  context: ServerContext,
  host: Host,
  { requester }: RefreshRequest,
  {
    current,
    refresh,
  }: {
    readonly current: ReadonlyMap<string, Pick<ResolvedImage, "imageId" | "digest"> | undefined>;
    readonly refresh: ImageRefresh;
  },
): Promise<void> {
  if (current.size === 0) return;
  const rows = await context.store.db
    .select()
    .from(workspaces)
    .where(
      and(
        eq(workspaces.hostId, host.id),
        inArray(workspaces.runtime, [...current.keys()]),
        inArray(workspaces.status, ["online", "degraded", "offline"]),
      ),
    )
    .orderBy(workspaces.createdAt, workspaces.id);
  for (const row of rows) {
    if (row.imageId !== null && row.imageId === current.get(row.runtime)?.imageId) continue;
    try {
      const { operation } = await restartWorkspace(
        context,
        row.id,
        {
          template: undefined,
          applyTemplate: false,
          rebuildConfig: false,
          reset: false,
          upgrade: true,
        },
        requester,
      );
      refresh.recreated.push({ container: containerName(row.id), operation });
    } catch (error) {
      // It was paused, removed or restarted by somebody else in this moment.
      if (error instanceof ServerError && ["ERR_CONFLICT", "ERR_NOT_FOUND"].includes(error.code)) {
        continue;
      }
      throw error;
    }
  }
}

function stopping(): ServerError {
  return new ServerError("ERR_STREAM_LIMIT", "The server is stopping.", { retryable: true });
}
