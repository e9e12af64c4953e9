import { LABELS } from "@molecule-ai/core";
import { expect, it } from "vitest";
import type { Vantage } from "./address.js";
import { addressOf, toSummary } from "./details.js";

const endpoint = {
  kind: "unix",
  address: "/var/run/docker.sock",
  origin: "default socket",
} as const;
const published: Vantage = { endpoint, agentAddress: "published" };
const network: Vantage = { endpoint, agentAddress: "network" };

it("takes no escape sequence from a label that somebody else may have written", () => {
  const summary = toSummary(published, {
    id: "c".repeat(64),
    name: "ws-w1",
    image: "image",
    imageId: "sha256:1",
    labels: {
      [LABELS.workspace]: "w1",
      [LABELS.name]: "\u001b[2Jhelper\u202e",
      [LABELS.runtime]: "hello\u0007",
      [LABELS.tier]: "2",
    },
    status: "running",
    createdAt: 0,
    ports: [],
  });
  expect(summary).toMatchObject({ id: "w1", name: "helper", runtime: "hello", tier: 2 });
});

it("reaches an agent by its name, with the agent's own port, from inside the network", () => {
  const labels = {
    [LABELS.workspace]: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    [LABELS.tier]: "2",
    [LABELS.agentPort]: "9000",
  };
  const ports = { "9000/tcp": [{ ip: "127.0.0.1", port: 49_153 }] };
  const state = { running: true } as Parameters<typeof addressOf>[1]["state"];
  expect(addressOf(published, { labels, ports, state })?.url).toBe("http://127.0.0.1:49153");
  expect(addressOf(network, { labels, ports, state })).toEqual({
    url: "http://ws-0f1e2d3c-4b5:9000",
    reachable: true,
  });
  const ended = { running: false } as typeof state;
  expect(addressOf(network, { labels, ports, state: ended })).toBeUndefined();
});
