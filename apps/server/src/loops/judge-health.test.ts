import type { WorkspaceDetails } from "@molecule-ai/provisioner-core";
import { expect, it } from "vitest";
import { judgeHealth, type WatchedWorkspace } from "./judge-health.js";

const online: WatchedWorkspace = { status: "online", url: "http://a", urlTrusted: true };
const offline: WatchedWorkspace = { ...online, status: "offline" };

function container(found: Partial<WorkspaceDetails>): WorkspaceDetails {
  return {
    id: "w",
    name: "w",
    runtime: "langgraph",
    tier: 2,
    status: "running",
    url: "http://a",
    image: "i",
    createdAt: 0,
    imageId: "i",
    revision: undefined,
    digest: undefined,
    exitCode: undefined,
    restartCount: 0,
    oomKilled: false,
    health: "none",
    startedAt: undefined,
    finishedAt: undefined,
    volumes: [],
    envNames: [],
    raw: {},
    ...found,
  };
}

it("leaves an online workspace that runs where the row says", () => {
  expect(judgeHealth(online, container({}))).toEqual({ kind: "fine" });
  expect(judgeHealth({ ...online, status: "degraded" }, container({}))).toEqual({ kind: "fine" });
});

it("calls a workspace without a container lost", () => {
  expect(judgeHealth(online, undefined)).toEqual({ kind: "lost" });
});

it.each(["created", "exited", "dead"] as const)(
  "calls one whose container is %s lost",
  (status) => {
    expect(judgeHealth(online, container({ status }))).toEqual({ kind: "lost" });
  },
);

it.each(["paused", "removing", "restarting"] as const)(
  "does not judge one whose container is %s",
  (status) => {
    expect(judgeHealth(online, container({ status }))).toEqual({ kind: "unclear" });
  },
);

it("sees a process that the engine restarts in vain", () => {
  const vain = {
    status: "restarting",
    restartCount: 5,
    startedAt: 1000,
    finishedAt: 3000,
  } as const;
  expect(judgeHealth(online, container(vain))).toEqual({ kind: "looping" });
  expect(judgeHealth(online, container({ ...vain, restartCount: 4 }))).toEqual({ kind: "unclear" });
});

it("takes no process for looping that ran for a while before it ended", () => {
  const once = {
    status: "restarting",
    restartCount: 9,
    startedAt: 0,
    finishedAt: 3_600_000,
  } as const;
  expect(judgeHealth(online, container(once))).toEqual({ kind: "unclear" });
});

it("sees a lost workspace run again, and where", () => {
  expect(judgeHealth(offline, container({ url: "http://b" }))).toEqual({
    kind: "back",
    url: "http://b",
  });
});

it("sees that the engine gave a container another port", () => {
  expect(judgeHealth(online, container({ url: "http://b" }))).toEqual({
    kind: "moved",
    url: "http://b",
  });
});

it("keeps a URL that the agent gave itself, and one that nothing replaces", () => {
  const own = { ...online, urlTrusted: false };
  expect(judgeHealth(own, container({ url: "http://b" }))).toEqual({ kind: "fine" });
  expect(judgeHealth(online, container({ url: undefined }))).toEqual({ kind: "fine" });
});
