import { z } from "zod";
import type { App } from "../app.js";
import { listLoops, loopView } from "../loops/list-loops.js";
import { recordSweep } from "../loops/orphans.js";
import { sweepOrphans } from "../loops/sweep-orphans.js";
import type { ServerContext } from "../server-context.js";
import { listServerInstances } from "../store/server-instances.js";
import { requesterOf } from "../workspaces/requester.js";

const SWEEP_MS = 120_000;

const instanceView = z
  .object({
    id: z.uuid(),
    host_id: z.string().nullable().describe("Its engine; null until that answered."),
    url: z.string().nullable().describe("Where other processes reach it."),
    started_at: z.iso.datetime({ offset: true }),
    seen_at: z.iso.datetime({ offset: true }),
    is_this: z.boolean().describe("It answered this request."),
  })
  .meta({ id: "ServerInstance" });

const resourceView = z.object({
  kind: z.enum(["workspace", "volume", "network"]),
  name: z.string(),
  workspace_id: z.string().nullable(),
});

const sweepView = z
  .object({
    host_id: z.string(),
    dry_run: z.boolean(),
    removed: z.array(resourceView).describe("What was removed; in a dry run, what would be."),
    kept: z.array(resourceView.extend({ reason: z.string() })),
    failed: z.array(resourceView.extend({ code: z.string() })),
  })
  .meta({ id: "OrphanSweep" });

/** What works in the background, and one of its loops on demand. */
export function registerAdminLiveness(app: App, context: ServerContext): void {
  const { db } = context.store;

  app.get(
    "/admin/liveness",
    {
      config: { access: "admin" },
      schema: {
        tags: ["admin"],
        summary: "Background loops and server processes",
        response: {
          200: z.object({ loops: z.array(loopView), instances: z.array(instanceView) }),
        },
      },
    },
    async () => {
      const [loops, instances] = await Promise.all([listLoops(db), listServerInstances(db)]);
      return {
        loops,
        instances: instances.map(({ id, hostId, url, startedAt, seenAt }) => ({
          id,
          host_id: hostId,
          url,
          started_at: startedAt.toISOString(),
          seen_at: seenAt.toISOString(),
          is_this: id === context.instanceId,
        })),
      };
    },
  );

  app.post(
    "/admin/orphans/sweep",
    {
      config: { access: "admin" },
      schema: {
        tags: ["admin"],
        summary: "Remove what no workspace wants from this server's engine, now",
        querystring: z.strictObject({
          dry_run: z
            .enum(["true", "false"])
            .default("false")
            .describe("Only say what would go, and why the rest stays."),
        }),
        response: { 200: sweepView },
      },
    },
    async (request) => {
      const isDryRun = request.query.dry_run === "true";
      const host = context.host.require();
      const signal = AbortSignal.any([context.shutdown, AbortSignal.timeout(SWEEP_MS)]);
      const { backend, id: hostId } = host;
      const report = await sweepOrphans({ db, backend, hostId, isDryRun, signal });
      if (!isDryRun) {
        const { actor, requestId } = requesterOf(request);
        await recordSweep(db, hostId, report, { actor, requestId });
      }
      return {
        host_id: hostId,
        dry_run: isDryRun,
        removed: report.removed.map(show),
        kept: report.kept.map(show),
        failed: report.failed.map(show),
      };
    },
  );
}

function show<Named extends { readonly workspaceId: string | undefined }>({
  workspaceId,
  ...rest
}: Named) {
  return { ...rest, workspace_id: workspaceId ?? null };
}
