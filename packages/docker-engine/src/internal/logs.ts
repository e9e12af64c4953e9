import { z } from "zod";
import type { LogChunk, LogOptions } from "../engine.js";
import { truncatedError } from "../errors.js";
import { createLogDecoder } from "../log-frames.js";
import { enginePath, type Transport } from "./transport.js";
import { flag } from "./wire.js";

const TTY = z.looseObject({ Config: z.looseObject({ Tty: flag }) });

/** A container's output, demultiplexed; with a TTY everything is stdout. */
export async function* readLogs(
  transport: Transport,
  id: string,
  options: LogOptions,
): AsyncGenerator<LogChunk, void, undefined> {
  const { signal } = options;
  const subject = `Read the log of container ${id}`;
  // Only newer engines say in a header whether the stream is framed.
  const container = await transport.json(
    { method: "GET", path: enginePath`/containers/${id}/json`, subject, signal },
    TTY,
  );
  const { body } = await transport.open({
    method: "GET",
    path: enginePath`/containers/${id}/logs`,
    query: {
      stdout: "1",
      stderr: "1",
      follow: options.follow === true ? "1" : undefined,
      tail: options.tail === undefined ? undefined : String(Math.max(0, Math.trunc(options.tail))),
      since: options.since === undefined ? undefined : (options.since / 1000).toFixed(3),
      timestamps: options.timestamps === true ? "1" : undefined,
    },
    subject,
    signal,
    // The engine sends its header with the first output, which may never come.
    timeoutMs: options.follow === true ? null : undefined,
  });
  if (container.Config.Tty) {
    for await (const bytes of body as AsyncIterable<Buffer>) yield { stream: "stdout", bytes };
    return;
  }
  const decoder = createLogDecoder(subject);
  for await (const bytes of body as AsyncIterable<Buffer>) yield* decoder.decode(bytes);
  if (!decoder.complete) throw truncatedError(subject, "the log ended inside a frame");
}
