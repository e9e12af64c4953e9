import { redactUserinfo } from "@molecule-ai/core";
import {
  imagePinsFromEnv,
  isRuntimeName,
  resolveRegistry,
  selectImage,
} from "@molecule-ai/registry-mode";
import { and, eq, isNotNull, ne, sql } from "drizzle-orm";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import {
  digestText,
  imageRefreshView,
  imagesView,
  type ImageInUse,
  type ImageRefreshView,
  type ImagesView,
} from "../api/image-view.js";
import { queryFlag } from "../api/query.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import { readImagePins } from "../images/pins.js";
import { refreshImages, type ImageRefresh } from "../images/refresh-images.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { imageDigests, imagePins, workspaces } from "../store/schema.js";
import { requesterOf } from "../workspaces/requester.js";

const MOST_IDS = 100;
/** As the platform: all pulls together. Builds may take longer. */
const PULL_TIMEOUT_MS = 5 * 60_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;

const unknownRuntime = errorBody.extend({ known_runtimes: z.array(z.string()).optional() });
const runtimeParams = z.object({ runtime: z.string().max(100) });
const pinView = z.object({ runtime: z.string(), digest: z.string() });

/** Images: what there is, what runs, what it is held to, and how it becomes newer. */
export function registerImages(app: App, context: ServerContext): void {
  const { config, runtimes, store } = context;
  const registry = resolveRegistry(config.env);

  const inUse = async (): Promise<Map<string, ImageInUse[]>> => {
    const rows = await store.db
      .select({
        runtime: workspaces.runtime,
        image: workspaces.imageRef,
        digest: workspaces.imageDigest,
        image_id: workspaces.imageId,
        revision: workspaces.imageRevision,
        workspaces: sql<number>`count(*)::int`,
        workspace_ids: sql<
          string[]
        >`(array_agg(${workspaces.id}::text order by ${workspaces.createdAt}))[1:${sql.raw(String(MOST_IDS))}]`,
      })
      .from(workspaces)
      .where(and(ne(workspaces.status, "removed"), isNotNull(workspaces.imageRef)))
      .groupBy(
        workspaces.runtime,
        workspaces.imageRef,
        workspaces.imageDigest,
        workspaces.imageId,
        workspaces.imageRevision,
      )
      .orderBy(workspaces.runtime, sql`count(*) desc`);
    const byRuntime = new Map<string, ImageInUse[]>();
    for (const { runtime, ...used } of rows) {
      byRuntime.set(runtime, [...(byRuntime.get(runtime) ?? []), used]);
    }
    return byRuntime;
  };

  const view = async (): Promise<ImagesView> => {
    const pins = await readImagePins(store.db, { env: config.env, runtimes });
    const stored = new Map(
      (await store.db.select().from(imagePins)).map((pin) => [pin.runtime, pin]),
    );
    const seen = new Map(
      (await store.db.select().from(imageDigests)).map((row) => [row.runtime, row]),
    );
    const used = await inUse();
    return {
      mode: registry.kind,
      prefix: redactUserinfo(
        registry.kind === "registry" ? registry.prefix : registry.repositoryPrefix,
      ),
      runtimes: runtimes.runtimes.map(({ name, origin }) => {
        const digest = registry.kind === "registry" ? pins.get(name) : undefined;
        const pin = stored.get(name);
        const last = seen.get(name);
        return {
          runtime: name,
          origin,
          image: imageOf(name, pins),
          pin:
            digest === undefined
              ? null
              : {
                  digest,
                  source: pin === undefined ? ("environment" as const) : ("store" as const),
                  created_by: pin?.createdBy ?? null,
                  created_at: pin?.createdAt.toISOString() ?? null,
                },
          seen: last
            ? { image: last.ref, digest: last.digest, seen_at: last.seenAt.toISOString() }
            : null,
          in_use: used.get(name) ?? [],
        };
      }),
    };
  };

  /** A build is made of a template that may not be there: only what is used is worth it. */
  const allWorthRefreshing = async (): Promise<readonly string[]> => {
    if (registry.kind === "registry") return runtimes.names;
    const used = await inUse();
    return runtimes.names.filter((name) => used.has(name));
  };

  const imageOf = (runtime: string, pins: ReadonlyMap<string, string>): string | null => {
    try {
      return selectImage({ registry, runtimes, runtime, pins });
    } catch {
      return null;
    }
  };

  app.get(
    "/images",
    {
      config: { access: "admin" },
      schema: {
        tags: ["images"],
        summary: "Images of all runtimes: what new workspaces get, and what the others run",
        response: { 200: imagesView },
      },
    },
    view,
  );

  app.post(
    "/admin/workspace-images/refresh",
    {
      config: { access: "admin" },
      schema: {
        tags: ["images"],
        summary: "Brings the newest images to this server's engine",
        description:
          "Without `runtime`: all of them, or, where images are built here, those that workspaces " +
          "run. With `recreate=true` the workspaces that run an older image are restarted with the " +
          "new one, one operation each; a restart that fails leaves the old one running.",
        querystring: z.strictObject({
          runtime: z.string().max(100).optional(),
          recreate: queryFlag.default(false),
        }),
        response: {
          200: imageRefreshView,
          400: unknownRuntime,
          500: errorBody.extend({ partial_result: imageRefreshView.optional() }),
        },
      },
    },
    async (request, reply) => {
      const { runtime, recreate } = request.query;
      if (runtime !== undefined && !runtimes.isKnown(runtime)) {
        return reply.code(400).send({
          error: `Runtime ${JSON.stringify(runtime)} is not known.`,
          code: isRuntimeName(runtime) ? "ERR_RUNTIME_UNKNOWN" : "ERR_RUNTIME_NAME_INVALID",
          hint: "Name one of known_runtimes.",
          known_runtimes: [...runtimes.names],
        });
      }
      const host = context.host.require();
      const wanted = runtime === undefined ? await allWorthRefreshing() : [runtime];
      const left = new AbortController();
      const leave = (): void => left.abort();
      request.raw.socket.once("close", leave);
      const limitMs = registry.kind === "registry" ? PULL_TIMEOUT_MS : BUILD_TIMEOUT_MS;
      const refresh: ImageRefresh = { pulled: [], pinned: [], failures: [], recreated: [] };
      try {
        await refreshImages(
          context,
          host,
          {
            runtimes: wanted,
            recreate,
            requester: requesterOf(request),
            signal: AbortSignal.any([left.signal, context.shutdown, AbortSignal.timeout(limitMs)]),
          },
          refresh,
        );
      } catch (error) {
        request.log.error({ err: error }, "a refresh of images failed");
        return await reply.code(500).send({
          error: "The refresh of the images was not finished.",
          code: "ERR_INTERNAL",
          hint: "partial_result tells what was done; run it again for the rest.",
          partial_result: toRefreshView(refresh),
        });
      } finally {
        request.raw.socket.off("close", leave);
      }
      return toRefreshView(refresh);
    },
  );

  app.put(
    "/admin/images/:runtime/pin",
    {
      config: { access: "admin" },
      schema: {
        tags: ["images"],
        summary: "Holds new containers of a runtime to one image",
        params: runtimeParams,
        body: z.strictObject({ digest: digestText }),
        response: { 200: pinView, 404: errorBody, 409: errorBody },
      },
    },
    async (request) => {
      const { params, body, caller } = request;
      const { runtime } = params;
      requireRuntime(runtime);
      if (registry.kind === "local-build") {
        throw new ServerError("ERR_CONFLICT", "Images are built here, so none can be pinned.", {
          hint: `Set MOLECULE_IMAGE_REGISTRY to use a registry, or build another commit with the template ref of ${runtime}.`,
        });
      }
      const pin = { digest: body.digest, createdBy: caller.kind, createdAt: sql`now()` };
      await store.db.transaction(async (tx) => {
        await tx
          .insert(imagePins)
          .values({ runtime, ...pin })
          .onConflictDoUpdate({ target: imagePins.runtime, set: pin });
        await recordEvents(tx, [
          {
            type: "IMAGE_PINNED",
            ...requesterOf(request),
            payload: { runtime, digest: body.digest },
          },
        ]);
      });
      return { runtime, digest: body.digest };
    },
  );

  app.delete(
    "/admin/images/:runtime/pin",
    {
      config: { access: "admin" },
      schema: {
        tags: ["images"],
        summary: "Takes a pin away",
        params: runtimeParams,
        response: {
          200: z.object({ status: z.literal("deleted"), runtime: z.string() }),
          404: errorBody,
          409: errorBody,
        },
      },
    },
    async (request) => {
      const { runtime } = request.params;
      requireRuntime(runtime);
      const gone = await store.db.transaction(async (tx) => {
        const [pin] = await tx.delete(imagePins).where(eq(imagePins.runtime, runtime)).returning();
        if (pin === undefined) return undefined;
        const payload = { runtime, digest: pin.digest };
        await recordEvents(tx, [{ type: "IMAGE_UNPINNED", ...requesterOf(request), payload }]);
        return pin;
      });
      if (gone !== undefined) return { status: "deleted" as const, runtime };
      if (imagePinsFromEnv(config.env, runtimes).has(runtime)) {
        throw new ServerError("ERR_CONFLICT", `${runtime} is pinned by the environment.`, {
          hint: "Change MOLECULE_IMAGE_PINS, and start the server again.",
        });
      }
      throw new ServerError("ERR_NOT_FOUND", `${runtime} has no pin.`);
    },
  );

  const requireRuntime = (runtime: string): void => {
    if (runtimes.isKnown(runtime)) return;
    throw new ServerError("ERR_NOT_FOUND", `Runtime ${JSON.stringify(runtime)} is not known.`, {
      hint: "GET /images lists those that are.",
    });
  };
}

function toRefreshView({ pulled, pinned, failures, recreated }: ImageRefresh): ImageRefreshView {
  return {
    pulled,
    failed: failures.map(({ runtime }) => runtime),
    recreated: recreated.map(({ container }) => container),
    pinned,
    failures,
    operations: recreated.map(({ operation }) => ({
      id: operation.id,
      workspace_id: operation.workspaceId,
      state: operation.state,
    })),
  };
}
