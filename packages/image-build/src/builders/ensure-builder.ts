import { systemClock, type BuildEvent, type Clock, type EventSink } from "@molecule-ai/core";
import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { checkBuilderName, runBuilderCommand } from "./builder-command.js";
import type { BuilderAction, BuilderInfo, EnsuredBuilder } from "./builder-info.js";
import { lockBuilder } from "./builder-lock.js";
import { readBuilderRecord, writeBuilderFile, writeBuilderRecord } from "./builder-record.js";
import { configText, digestOf } from "./builder-settings.js";
import { builderNotStarted, checkDaemon, checkTransport } from "./check-endpoint.js";
import { createArgs, endpointOf, type BuilderRequest } from "./create-args.js";
import { findExisting } from "./find-existing.js";
import { bootstrapBuilder, type InspectAnswer } from "./inspect.js";
import { removeFromBuildx } from "./remove-builder.js";

export interface EnsureBuilderOptions {
  readonly buildx: Buildx;
  readonly request: BuilderRequest;
  /** Where the record, the configuration and the lock of the builder are kept. */
  readonly stateDirectory: string;
  readonly signal: AbortSignal;
  /**
   * Longest making and longest start; default 30 seconds for a remote daemon, 5 minutes for a
   * docker-container builder, whose image may have to be pulled.
   */
  readonly bootstrapTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Told with `WARN_BUILDER_RECREATED` why a builder is made anew. */
  readonly onEvent?: EventSink<BuildEvent> | undefined;
}

const BOOTSTRAP_TIMEOUT_MS = { remote: 30_000, "docker-container": 5 * 60_000 } as const;
const CREATE_TIMEOUT_MS = 60_000;
const UNDO_TIMEOUT_MS = 30_000;

/**
 * A builder of that name that is what `request` says and has answered: one that is there is used when
 * driver, endpoint, options and configuration are the same, else it is made anew (a docker-container
 * builder keeps its cache then). Safe to call at once in several processes. The builder is never made
 * the current one. A builder that was made here and does not start is removed again, also on abort.
 * One of that name that is something else is replaced, whoever made it: names are for one purpose.
 *
 * Throws `ERR_BUILDER`, `ERR_BUILDX_MISSING`, and `ERR_DEADLINE` for one that never answers.
 */
export async function ensureBuilder(options: EnsureBuilderOptions): Promise<EnsuredBuilder> {
  const { buildx, request, stateDirectory, signal, clock = systemClock } = options;
  const { name } = request;
  checkBuilderName(name);
  await checkTransport(request);
  const config = configText(request);
  const settings = digestOf(request, config);
  const timeoutMs = options.bootstrapTimeoutMs ?? BOOTSTRAP_TIMEOUT_MS[request.driver];
  if (request.driver === "remote") await checkDaemon(request, { signal, timeoutMs });

  await using _lock = await lockBuilder(stateDirectory, name, signal);
  const record = await readBuilderRecord(stateDirectory, name);
  const startedAt = clock.monotonic();
  const bootstrap = (): Promise<InspectAnswer> =>
    bootstrapBuilder({
      buildx,
      name,
      signal,
      timeoutMs,
    });
  const finish = async (
    info: BuilderInfo,
    action: BuilderAction,
    since: number,
  ): Promise<EnsuredBuilder> => {
    const isOurs = record?.settings === settings;
    await writeBuilderRecord(stateDirectory, {
      name,
      action,
      driver: request.driver,
      endpoint: endpointOf(request),
      createdAt:
        action === "reused"
          ? ((isOurs ? record?.createdAt : null) ?? null)
          : new Date(clock.now()).toISOString(),
      settings: action === "reused" && !isOurs ? null : settings,
    });
    return { ...info, action, bootstrapMs: clock.monotonic() - since };
  };

  const known = { record, settings, config };
  const found = await findExisting({ buildx, request, signal, bootstrap }, known);
  if (found.kind === "usable") return await finish(found.info, "reused", startedAt);
  let isReplaced = false;
  if (found.kind === "replaceable") {
    isReplaced = await removeFromBuildx({ buildx, name, signal, keepCache: found.keepCache });
  }
  if (isReplaced && found.kind === "replaceable") {
    options.onEvent?.({
      type: "warning",
      code: "WARN_BUILDER_RECREATED",
      message: `The builder ${name} is made anew: ${found.reason}.`,
    });
  }

  const createdAt = clock.monotonic();
  // buildx writes a new builder down first, and then waits for its daemon.
  let isMine = true;
  try {
    isMine = await create(options, config, timeoutMs);
    const answer = await bootstrap();
    if (answer.kind !== "found") {
      throw builderNotStarted(
        request,
        answer.kind === "failed" ? answer.complaint : "it went away",
      );
    }
    const action = !isMine ? "reused" : isReplaced ? "recreated" : "created";
    return await finish(answer.info, action, createdAt);
  } catch (error) {
    if (isMine) await undo(buildx, name, found.kind === "replaceable" && found.keepCache);
    throw error;
  }
}

/** False when somebody else made one of that name in the meantime. */
async function create(
  { buildx, request, stateDirectory, signal }: EnsureBuilderOptions,
  config: string | undefined,
  timeoutMs: number,
): Promise<boolean> {
  const { name } = request;
  const configFile =
    config === undefined
      ? undefined
      : await writeBuilderFile(stateDirectory, { builder: name, file: "buildkitd.toml" }, config);
  const version = await buildx.version(signal);
  const { succeeded, complaint } = await runBuilderCommand(buildx, {
    args: createArgs(request, { version, configFile }),
    what: `Making the builder ${name}`,
    timeoutMs: Math.min(CREATE_TIMEOUT_MS, timeoutMs),
    signal,
  });
  if (succeeded) return true;
  if (complaint.startsWith(`existing instance for "${name}"`)) return false;
  throw new ImageBuildError("ERR_BUILDER", `The builder ${name} cannot be made: ${complaint}.`, {
    hint: "Check the endpoint and the limits of the builder.",
  });
}

/** A failure here must not hide the one that led to it. */
async function undo(buildx: Buildx, name: string, keepCache: boolean): Promise<void> {
  const signal = AbortSignal.timeout(UNDO_TIMEOUT_MS);
  await removeFromBuildx({ buildx, name, keepCache, signal }).catch(() => false);
}
