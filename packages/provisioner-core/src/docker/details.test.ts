import { LABELS } from "@molecule-ai/core";
import { expect, it } from "vitest";
import { toSummary } from "./details.js";

it("takes no escape sequence from a label that somebody else may have written", () => {
  const summary = toSummary(
    { kind: "unix", address: "/var/run/docker.sock", origin: "default socket" },
    {
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
    },
  );
  expect(summary).toMatchObject({ id: "w1", name: "helper", runtime: "hello", tier: 2 });
});
