import type { Clock } from "@molecule-ai/core";
import { z } from "zod";
import type { ContainerApi, EngineEvent } from "../engine.js";
import { isEngineError } from "../errors.js";
import { readJsonStream } from "../json-stream.js";
import type { StreamAnswer, Transport } from "./transport.js";
import { filters, labels } from "./wire.js";

const MESSAGE = z
  .looseObject({
    Type: z.literal("container"),
    Action: z.string(),
    Actor: z.looseObject({ ID: z.string(), Attributes: labels }),
    time: z.number().optional(),
    timeNano: z.number().optional(),
  })
  .transform((message): EngineEvent => {
    const { name = "", exitCode, ...rest } = message.Actor.Attributes;
    return {
      type: "container",
      // `exec_start: sh -c …` and `health_status: healthy` carry their subject in the same word.
      action: message.Action,
      id: message.Actor.ID,
      name,
      // The engine mixes labels with facts of its own, image and signal among them.
      labels: rest,
      exitCode: exitCode === undefined ? undefined : Number(exitCode),
      at:
        message.timeNano === undefined
          ? (message.time ?? 0) * 1000
          : Math.floor(message.timeNano / 1e6),
    };
  });

const SUBJECT = "Watch the engine's events";
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

export interface EventStreamOptions {
  readonly transport: Transport;
  readonly containers: ContainerApi;
  readonly clock: Clock;
  readonly labels: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/**
 * Container events until abort. Every time the stream opens, also the first, `relisted` comes before
 * its events: nothing can happen between the list and the watch. A broken connection or a failing
 * engine is tried again with growing pauses; a refusal (4xx) is thrown.
 */
export async function* watchEvents(
  options: EventStreamOptions,
): AsyncGenerator<EngineEvent, void, undefined> {
  const { clock, signal } = options;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      for await (const event of watchOnce(options)) {
        pauseMs = FIRST_PAUSE_MS;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isWorthRetrying(error)) throw error;
    }
    try {
      await clock.sleep(pauseMs * (0.5 + Math.random() / 2), signal);
    } catch {
      return;
    }
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function* watchOnce(options: EventStreamOptions): AsyncGenerator<EngineEvent> {
  const { transport, containers, clock, signal } = options;
  const answer: StreamAnswer = await transport.open({
    method: "GET",
    path: "/events",
    query: { filters: filters({ type: ["container"], label: options.labels }) },
    subject: SUBJECT,
    signal,
    // Silence is the normal state of this stream.
    timeoutMs: null,
  });
  try {
    const list = await containers.list({ labels: options.labels, all: true }, { signal });
    yield { type: "relisted", containers: list, at: clock.now() };
    for await (const value of readJsonStream(answer.body, { subject: SUBJECT })) {
      const message = MESSAGE.safeParse(value);
      if (message.success) yield message.data;
    }
  } finally {
    answer.body.destroy();
  }
}

/** A refusal will not change by itself; everything else may. */
function isWorthRetrying(error: unknown): boolean {
  if (!isEngineError(error)) return false;
  switch (error.code) {
    case "ERR_ENGINE_UNREACHABLE":
    case "ERR_ENGINE_TRUNCATED":
    case "ERR_ENGINE_TIMEOUT":
    case "ERR_ENGINE_SERVER":
    case "ERR_ENGINE_PROTOCOL":
      return true;
    default:
      return false;
  }
}
