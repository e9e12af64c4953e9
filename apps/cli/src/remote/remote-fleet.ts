import { isProvisionerError } from "@molecule-ai/core";
import { z } from "zod";
import { findWorkspace } from "../address.js";
import { CliError } from "../errors.js";
import type { Fleet, FleetWorkspace, Removed } from "../fleet/fleet.js";
import type { CommandContext } from "../run-command.js";
import {
  begun,
  imagesAnswer,
  sweepAnswer,
  workspaceAnswer,
  type WorkspaceAnswer,
} from "./answers.js";
import { finishOperations } from "./follow-operation.js";
import { readRemoteLogs } from "./remote-logs.js";
import { remoteRestart } from "./remote-restart.js";
import { remoteUp } from "./remote-up.js";
import { explainRemotely } from "./remote-why.js";
import { refuseOptions } from "./refuse-options.js";
import type { ServerClient } from "./server-client.js";
import { readWorkspacePage } from "./workspace-page.js";
import { toFleetDetails, toFleetWorkspace } from "./workspace-facts.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGE = "500";
/** The server itself waits up to 30 s for what a request led to. */
const COMMAND_TIMEOUT_MS = 60_000;
const SWEEP_TIMEOUT_MS = 300_000;

/** The workspaces behind a server; it owns the client. */
export function createRemoteFleet(context: CommandContext, client: ServerClient): Fleet {
  const { signal } = context;
  const { origin } = client.address;
  const parents = new Map<string, string | undefined>();

  const learn = (answer: WorkspaceAnswer): FleetWorkspace => {
    parents.set(answer.id, answer.parent_id ?? undefined);
    return toFleetWorkspace(answer);
  };
  /** Undefined for one that is gone. */
  const read = async (id: string) => {
    try {
      const raw = await client.call({
        method: "GET",
        path: `/workspaces/${id}`,
        answer: z.looseObject({}),
        signal,
      });
      const answer = workspaceAnswer.parse(raw);
      return answer.status === "removed" ? undefined : { answer, raw };
    } catch (error) {
      if (isProvisionerError(error, "ERR_NOT_FOUND")) return undefined;
      throw error;
    }
  };
  const list: Fleet["list"] = async () => {
    const workspaces: FleetWorkspace[] = [];
    let cursor: string | undefined;
    do {
      const { value, next } = await readWorkspacePage(client, { limit: PAGE, cursor, signal });
      workspaces.push(...value.map(learn));
      cursor = value.length === 0 ? undefined : next;
    } while (cursor !== undefined);
    return workspaces;
  };
  const findAll: Fleet["findAll"] = async (queries) => {
    let all: readonly FleetWorkspace[] | undefined;
    const found = new Map<string, FleetWorkspace>();
    for (const query of queries) {
      // Also for a caller that may know only this one.
      const exact = UUID.test(query) ? await read(query) : undefined;
      const workspace =
        exact === undefined ? findWorkspace((all ??= await list()), query) : learn(exact.answer);
      found.set(workspace.id, workspace);
    }
    return [...found.values()];
  };
  const depthOf = (id: string): number => {
    const seen = new Set<string>();
    for (let at = parents.get(id); at !== undefined && !seen.has(at); at = parents.get(at)) {
      seen.add(at);
    }
    return seen.size;
  };

  return {
    list,
    findAll,
    async find(query) {
      const [workspace] = await findAll([query]);
      if (workspace === undefined) throw new Error("one query finds one workspace or throws");
      return workspace;
    },
    async inspect(id) {
      const found = await read(id);
      return found === undefined ? undefined : toFleetDetails(found.answer, found.raw);
    },
    explain: ({ id }) => explainRemotely(client, id, signal),
    logs: (id, request) => readRemoteLogs(client, id, request, context.clock),
    up: (request) => remoteUp(context, client, request),
    restart: (workspace, request) => remoteRestart(context, client, workspace, request),
    async stop({ id, status }, request) {
      refuseOptions(origin, { "--grace": request.graceSeconds });
      // The server has nothing to pause in one that is.
      if (status === "paused") return true;
      const { operations } = await client.call({
        method: "POST",
        path: `/workspaces/${id}/pause`,
        answer: begun,
        signal,
        timeoutMs: COMMAND_TIMEOUT_MS,
      });
      await finishOperations(client, operations, context);
      return true;
    },
    async remove(workspaces, request) {
      refuseOptions(origin, { "--grace": request.graceSeconds });
      const removed: Removed[] = [];
      // Those below first: one that has others below it is not removed.
      const inOrder = [...workspaces].sort((a, b) => depthOf(b.id) - depthOf(a.id));
      for (const { id, name } of inOrder) {
        try {
          const { operations } = await client.call({
            method: "DELETE",
            path: `/workspaces/${id}`,
            query: { keep_volumes: request.keepVolumes === true ? "true" : undefined },
            answer: begun,
            signal,
            timeoutMs: COMMAND_TIMEOUT_MS,
          });
          await finishOperations(client, operations, context);
        } catch (error) {
          throw hasChildren(name, error) ?? error;
        }
        removed.push({ id, name, parts: [] });
      }
      return removed;
    },
    async sweep({ dryRun, graceMs, volumes }) {
      refuseOptions(origin, { "--grace": graceMs, "--volumes": volumes });
      const { removed, kept, failed } = await client.call({
        method: "POST",
        path: "/admin/orphans/sweep",
        query: { dry_run: String(dryRun) },
        answer: sweepAnswer,
        signal,
        timeoutMs: SWEEP_TIMEOUT_MS,
      });
      return {
        removed: removed.map(({ name }) => name),
        kept,
        failed: failed.map(({ name, code }) => ({ name, code, message: code })),
      };
    },
    async images() {
      const { runtimes } = await client.call({
        method: "GET",
        path: "/images",
        answer: imagesAnswer,
        signal,
      });
      return runtimes.flatMap(({ runtime, in_use: used }) =>
        used.map((image) => ({
          runtime,
          ref: image.image ?? undefined,
          imageId: image.image_id ?? undefined,
          revision: image.revision ?? undefined,
          usedBy: image.workspace_ids,
        })),
      );
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

const childrenDetails = z.object({
  status: z.literal("confirmation_required"),
  children: z.array(z.object({ id: z.string(), name: z.string() })),
});

/** The refusal to remove a workspace that has others below it, in the words of a command line. */
function hasChildren(name: string, error: unknown): CliError | undefined {
  if (!isProvisionerError(error)) return undefined;
  const parsed = childrenDetails.safeParse(error.details);
  if (!parsed.success) return undefined;
  const { children } = parsed.data;
  return new CliError(
    "ERR_CLI_WORKSPACE_HAS_CHILDREN",
    `${name} has workspaces below it: ${children.map((child) => `${child.name} (${child.id})`).join(", ")}`,
    {
      hint: "Remove those too, by naming them in the same command.",
      details: { children },
    },
  );
}
