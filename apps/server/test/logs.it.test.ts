import { createRedactor, LABELS, systemClock } from "@molecule-ai/core";
import { connectEngine, engineSettingsFromEnv } from "@molecule-ai/docker-engine";
import { containerName, createDockerBackend } from "@molecule-ai/provisioner-core";
import { busyboxImage } from "@molecule-ai/testkit";
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { workspaces } from "../src/store/schema.js";
import { createMemoryHost } from "./support/memory-host.js";
import { startTestServer } from "./support/test-server.js";

const SOCKET = "/var/run/docker.sock";

it("follows the output of a container on a real engine, and resumes after any line", async () => {
  const installId = `logs-${randomUUID()}`;
  const id = randomUUID();
  await using engine = await connectEngine({
    settings: engineSettingsFromEnv(
      { DOCKER_HOST: `unix://${SOCKET}` },
      { homeDirectory: "/nonexistent", platform: process.platform, uid: undefined },
    ),
    redactor: createRedactor(),
    clock: systemClock,
  });
  const memory = createMemoryHost({ installId });
  const backend = createDockerBackend({ engine, installId });
  const host = { ...memory, host: { ...memory.host, backend } };
  await using server = await startTestServer({ host, loops: "elsewhere" });
  await server.context.store.db.insert(workspaces).values({
    id,
    name: "agent",
    tier: 2,
    status: "paused",
    runtime: "langgraph",
    hostId: host.host.id,
    createdBy: "admin",
  });
  const { id: containerId } = await engine.containers.create(
    {
      Image: await busyboxImage(SOCKET),
      Cmd: [
        "sh",
        "-c",
        "for n in 1 2 3 4 5; do echo out $n; echo err $n >&2; done; sleep 1; echo late",
      ],
      Labels: { [LABELS.install]: installId, [LABELS.workspace]: id, [LABELS.managed]: "true" },
    },
    { name: containerName(id) },
  );
  try {
    await engine.containers.start(containerId);
    const read = async (headers: Record<string, string> = {}): Promise<[string, string][]> => {
      const response = await server.fetch(`/workspaces/${id}/logs?follow=true`, {
        headers: { accept: "text/event-stream", ...headers },
      });
      const frames = (await response.text()).split("\n\n");
      return frames.flatMap((frame) => {
        const [, place = "", data = ""] = /^id: (.*)\nevent: log\ndata: (.*)$/.exec(frame) ?? [];
        return data === "" ? [] : [[place, (JSON.parse(data) as { line: string }).line]];
      });
    };
    const all = await read();
    const lines = all.map(([, line]) => line);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe("late");
    expect(lines.filter((line) => line.startsWith("out"))).toEqual(
      [1, 2, 3, 4, 5].map((n) => `out ${n}`),
    );
    for (const [n, [place]] of all.entries()) {
      expect(await read({ "last-event-id": place })).toEqual(all.slice(n + 1));
    }
    const tail = await server.request(`/workspaces/${id}/logs?tail=1&timestamps=true`);
    expect(tail.body).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z late\n$/);
  } finally {
    await engine.containers.remove(containerId, { force: true });
  }
});
