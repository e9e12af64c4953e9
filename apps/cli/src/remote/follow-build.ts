import type { BuildVertex, Clock, EventSink } from "@molecule-ai/core";
import { buildLogAnswer, buildsAnswer } from "./answers.js";
import { parseJson } from "./parse-json.js";
import type { ServerClient } from "./server-client.js";
import { readEventStream } from "./sse-stream.js";

const POLL_MS = 200;
const MOST_POLLS = 25;
const FATE = /^(.+) (started|completed|cached|failed|canceled)(?:: .*)?$/s;

export interface BuildToFollow {
  readonly workspaceId: string;
  readonly operationId: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onEvent: EventSink;
}

/** Shows what the build of an operation prints, until it is over. */
export async function followBuild(client: ServerClient, build: BuildToFollow): Promise<void> {
  const { signal, clock, onEvent } = build;
  const id = await findBuild(client, build);
  if (id === undefined) return;
  const lines = readEventStream(
    client,
    { path: `/builds/${id}/logs`, query: { follow: "true" }, endsWith: "end", signal },
    clock,
  );
  for await (const { data } of lines) {
    const line = buildLogAnswer.safeParse(parseJson(data));
    if (!line.success) continue;
    const { stream, line: text } = line.data;
    if (stream === "step") onEvent(toVertex(text));
    else onEvent({ type: "build.log", vertex: "", stream, line: text });
  }
}

/** A step is told by its name and what became of it, perhaps with a reason. */
function toVertex(step: string): BuildVertex {
  const [, name = step, status = "started"] = FATE.exec(step) ?? [];
  return { type: "build.vertex", id: name, name, status: status as BuildVertex["status"] };
}

/** The stage is told of a moment before the build is written down. */
async function findBuild(client: ServerClient, build: BuildToFollow): Promise<string | undefined> {
  for (let poll = 0; poll < MOST_POLLS; poll += 1) {
    const { builds } = await client.call({
      method: "GET",
      path: `/workspaces/${build.workspaceId}/builds`,
      query: { limit: "1" },
      answer: buildsAnswer,
      signal: build.signal,
    });
    const [newest] = builds;
    if (newest?.operation_id === build.operationId) return newest.id;
    await build.clock.sleep(POLL_MS, build.signal);
  }
  return undefined;
}
