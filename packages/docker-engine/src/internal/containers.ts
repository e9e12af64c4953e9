import type { Clock } from "@molecule-ai/core";
import { z } from "zod";
import type { CallOptions, ContainerApi, ContainerInfo, ImageApi } from "../engine.js";
import { EngineError, isEngineConflict, isEngineNotFound } from "../errors.js";
import { createArchiveApi } from "./archive.js";
import { CONTAINER, CONTAINER_SUMMARY } from "./container-shapes.js";
import { execInContainer } from "./exec.js";
import { readLogs } from "./logs.js";
import { enginePath, type Transport, type WireRequest } from "./transport.js";
import { filters, strings, text } from "./wire.js";

const CREATED = z.looseObject({ Id: z.string(), Warnings: strings });
const WAITED = z.looseObject({
  StatusCode: z.number(),
  Error: z.looseObject({ Message: text }).nullish(),
});

const REMOVAL_POLL_MS = 100;

export interface ContainerApiOptions {
  readonly transport: Transport;
  readonly images: ImageApi;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export function createContainerApi(options: ContainerApiOptions): ContainerApi {
  const { transport, images, clock, timeoutMs } = options;

  const inspect = async (id: string, call?: CallOptions): Promise<ContainerInfo | undefined> =>
    transport.find(
      {
        method: "GET",
        path: enginePath`/containers/${id}/json`,
        subject: `Inspect container ${id}`,
        signal: call?.signal,
      },
      CONTAINER,
    );

  /** A POST that answers without a body. */
  const order = async (
    request: Pick<WireRequest, "path" | "subject" | "query" | "json" | "timeoutMs">,
    call: CallOptions | undefined,
    expect: readonly number[] = [200, 204],
  ): Promise<number> => {
    const answer = await transport.call(
      { method: "POST", ...request, signal: call?.signal },
      expect,
    );
    return answer.status;
  };

  /**
   * True once a removal that somebody else began is done; false when there is none. A forced removal
   * conflicts with nothing else, and while the process is being killed the state still says running.
   */
  const awaitRemoval = async (
    id: string,
    force: boolean,
    call: CallOptions | undefined,
  ): Promise<boolean> => {
    const deadline = clock.monotonic() + timeoutMs;
    for (;;) {
      const container = await inspect(id, call);
      if (container === undefined) return true;
      const isUnderWay = force || container.state.status === "removing";
      if (!isUnderWay || clock.monotonic() > deadline) return false;
      await clock.sleep(REMOVAL_POLL_MS, call?.signal);
    }
  };

  return {
    async create(config, create) {
      const { name, platform, signal } = create;
      try {
        const { Id, Warnings } = await transport.json(
          {
            method: "POST",
            path: "/containers/create",
            query: { name, platform },
            json: config,
            subject: `Create container ${name}`,
            signal,
          },
          CREATED,
        );
        return { id: Id, warnings: Warnings };
      } catch (error) {
        // The engine's 404 does not say what is missing: asking for the image does.
        const image = config["Image"];
        if (!isEngineNotFound(error) || typeof image !== "string" || image === "") throw error;
        throw (await missingImage(images, image, platform, error, signal)) ?? error;
      }
    },
    inspect,
    async list(filter, call) {
      const { name } = filter ?? {};
      const containers = await transport.json(
        {
          method: "GET",
          path: "/containers/json",
          query: {
            all: filter?.all === true ? "1" : undefined,
            filters: filters({
              label: filter?.labels,
              // The engine's own name filter is a regular expression.
              name: name === undefined ? undefined : [`^/?${escapeRegExp(name)}$`],
              ancestor: filter?.ancestor === undefined ? undefined : [filter.ancestor],
            }),
          },
          subject: "List containers",
          signal: call?.signal,
        },
        z.array(CONTAINER_SUMMARY),
      );
      return name === undefined
        ? containers
        : containers.filter((container) => container.name === name);
    },
    async start(id, call) {
      const path = enginePath`/containers/${id}/start`;
      // 304: it runs already.
      await order({ path, subject: `Start container ${id}` }, call, [200, 204, 304]);
    },
    async stop(id, stop) {
      const request = {
        path: enginePath`/containers/${id}/stop`,
        query: { t: String(Math.max(0, Math.ceil(stop.graceSeconds))) },
        subject: `Stop container ${id}`,
        timeoutMs: timeoutMs + stop.graceSeconds * 1000,
      };
      return (await order(request, stop, [200, 204, 304, 404])) !== 404;
    },
    async pause(id, call) {
      await order(
        { path: enginePath`/containers/${id}/pause`, subject: `Pause container ${id}` },
        call,
      );
    },
    async unpause(id, call) {
      const path = enginePath`/containers/${id}/unpause`;
      await order({ path, subject: `Resume container ${id}` }, call);
    },
    async rename(id, name, call) {
      const path = enginePath`/containers/${id}/rename`;
      await order({ path, query: { name }, subject: `Rename container ${id} to ${name}` }, call);
    },
    async update(id, changes, call) {
      const path = enginePath`/containers/${id}/update`;
      await order({ path, json: changes, subject: `Update container ${id}` }, call);
    },
    async wait(id, call) {
      const { StatusCode } = await transport.json(
        {
          method: "POST",
          path: enginePath`/containers/${id}/wait`,
          query: { condition: "not-running" },
          subject: `Wait for container ${id}`,
          signal: call?.signal,
          timeoutMs: null,
        },
        WAITED,
      );
      return StatusCode;
    },
    async remove(id, remove) {
      const request = {
        method: "DELETE",
        path: enginePath`/containers/${id}`,
        query: {
          force: remove?.force === true ? "1" : undefined,
          v: remove?.volumes === true ? "1" : undefined,
        },
        subject: `Remove container ${id}`,
        signal: remove?.signal,
      } as const;
      try {
        return (await transport.call(request, [200, 204, 404])).status !== 404;
      } catch (error) {
        const isForced = remove?.force === true;
        if (isEngineConflict(error) && (await awaitRemoval(id, isForced, remove))) return true;
        throw error;
      }
    },
    logs: (id, log) => readLogs(transport, id, log ?? {}),
    exec: (id, exec) => execInContainer(transport, clock, id, exec),
    ...createArchiveApi(transport, inspect),
  };
}

/** The error for a create that failed because of its image; undefined when the image is there. */
async function missingImage(
  images: ImageApi,
  ref: string,
  platform: string | undefined,
  cause: EngineError,
  signal: AbortSignal | undefined,
): Promise<EngineError | undefined> {
  const found = await images.inspect(ref, { signal });
  const present = found === undefined ? undefined : `${found.os}/${found.arch}`;
  const wanted = platform?.split("/").slice(0, 2).join("/");
  if (present !== undefined && (wanted === undefined || wanted === present)) return undefined;
  const what = present === undefined ? "is not on the engine" : `is there for ${present} only`;
  const subject = `Image ${ref}${platform === undefined ? "" : ` for ${platform}`}`;
  return new EngineError("ERR_ENGINE_IMAGE_NOT_FOUND", `${subject} ${what}`, {
    hint: "Pull or build the image, and check its name.",
    details: { ...cause.details, image: ref },
    cause,
  });
}

function escapeRegExp(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
