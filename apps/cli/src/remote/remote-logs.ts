import type { Clock } from "@molecule-ai/core";
import type { LogLine } from "@molecule-ai/provisioner-core";
import type { LogRequest } from "../fleet/fleet.js";
import { logAnswer } from "./answers.js";
import type { ServerClient } from "./server-client.js";
import { readEventStream } from "./sse-stream.js";
import { parseJson } from "./parse-json.js";

/** More than a server keeps: all there is. */
const ALL_LINES = 100_000;

/** Output of a workspace, through lost connections. */
export async function* readRemoteLogs(
  client: ServerClient,
  id: string,
  request: LogRequest,
  clock: Clock,
): AsyncGenerator<LogLine, void> {
  const { follow, since, timestamps, signal } = request;
  const tail = request.tail ?? (since === undefined ? ALL_LINES : undefined);
  const events = readEventStream(
    client,
    {
      path: `/workspaces/${id}/logs`,
      query: {
        follow: String(follow === true),
        tail: tail?.toString(),
        since: since === undefined ? undefined : new Date(since).toISOString(),
      },
      // What came meanwhile may be more than the last lines that were asked for.
      resumeQuery: { follow: String(follow === true) },
      endsWith: "end",
      signal,
    },
    clock,
  );
  for await (const { data } of events) {
    const entry = logAnswer.safeParse(parseJson(data));
    if (!entry.success) continue;
    const { at, stream, line } = entry.data;
    const text = timestamps === true && at !== "" ? `${at} ${line}\n` : `${line}\n`;
    yield { stream, bytes: Buffer.from(text) };
  }
}
