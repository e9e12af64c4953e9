import { admit, parseAdmissionPolicy, requireAdmitted } from "@molecule-ai/image-trust";
import type { Admission } from "@molecule-ai/provisioner-core";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serverConfigFromEnv } from "../src/config.js";
import { serve } from "../src/serve.js";
import { workspaceWhyView } from "../src/api/workspace-view.js";
import {
  bodyOf,
  create,
  createOnline,
  eventsOf,
  post,
  untilStatus,
  type Json,
} from "./support/fleet.js";
import { createMemoryHost, type MemoryHost } from "./support/memory-host.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

/** The policy of the moment; the gate itself has tests of its own. */
let policy: object = {};

const admission: Admission = async ({ image, tier }) => {
  const facts = {
    reference: image.ref,
    imageId: image.imageId,
    digest: image.digest,
    source: "registry.test/molecule",
    origin: "pulled" as const,
    createdAt: Date.now(),
    bases: undefined,
    findings: undefined,
    verification: undefined,
    hasProvenance: false,
  };
  const verdict = admit({ facts, policy: parseAdmissionPolicy(policy), tier, now: Date.now() });
  requireAdmitted(verdict, image.ref);
  return { ...verdict, decision: verdict.decision === "warned" ? "warned" : "allowed" };
};

describe("a server that asks images for admission", () => {
  let host: MemoryHost;
  let server: TestServer;
  beforeAll(async () => {
    host = createMemoryHost({ admission });
    server = await startTestServer({ host });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const why = async (id: string): Promise<Json> => {
    const answer = await server.request(`/workspaces/${id}/why`);
    expect(answer.status).toBe(200);
    return workspaceWhyView.parse(answer.body);
  };
  const typesOf = async (id: string): Promise<unknown[]> =>
    (await eventsOf(server, id)).map(({ event_type: type }) => type);

  it("keeps what was said of an image that may start, without an event", async () => {
    policy = { rules: { sources: ["registry.test/*"] } };
    const id = await createOnline(server);
    expect((await why(id))["admission"]).toMatchObject({
      decision: "allowed",
      tier: 2,
      passed: ["sources"],
      findings: [],
    });
    expect(bodyOf(await server.request(`/workspaces/${id}`))["admission"]).toEqual(
      (await why(id))["admission"],
    );
    expect(await typesOf(id)).not.toContain("ADMISSION_WARNED");
  });

  it("starts with a warning what a policy only warns of, and records it before it is online", async () => {
    policy = { effect: "warn", rules: { provenance: true } };
    const id = await createOnline(server);
    expect((await why(id))["admission"]).toMatchObject({
      decision: "warned",
      findings: [{ rule: "provenance", effect: "warn", remedy: expect.stringMatching(/./) }],
    });
    const events = await eventsOf(server, id);
    const warned = events.findIndex(({ event_type: type }) => type === "ADMISSION_WARNED");
    const online = events.findIndex(({ event_type: type }) => type === "WORKSPACE_ONLINE");
    expect(events[warned]).toMatchObject({
      payload: { tier: 2, findings: [{ rule: "provenance" }] },
    });
    expect(warned).toBeLessThan(online);
  });

  it("starts nothing of an image that is refused, and says the rule and the remedy", async () => {
    policy = { rules: { pinnedBases: true } };
    const id = await create(server);
    await untilStatus(server, id, "failed");
    expect(host.workspaces.has(id)).toBe(false);
    expect(host.storage.has(id)).toBe(false);
    expect(await why(id)).toMatchObject({
      image: null,
      provenance: null,
      admission: { decision: "refused", findings: [{ rule: "pinnedBases", effect: "refuse" }] },
      why: {
        state: "failed",
        code: "ERR_TRUST_REFUSED",
        message: expect.stringContaining("rule pinnedBases"),
        hint: expect.stringMatching(/./),
      },
    });
    expect(await typesOf(id)).toEqual(
      expect.arrayContaining(["ADMISSION_REFUSED", "WORKSPACE_PROVISION_FAILED"]),
    );
    const { operation_id: operation } = (await why(id))["why"] as Json;
    expect(bodyOf(await server.request(`/operations/${String(operation)}`))["error"]).toMatchObject(
      { code: "ERR_TRUST_REFUSED" },
    );
  });

  it("lets what runs go on when a restart is refused, and tells both", async () => {
    policy = {};
    const id = await createOnline(server);
    policy = { rules: { pinnedBases: true } };
    const before = host.workspaces.get(id)?.generation;
    await post(server, `/workspaces/${id}/restart`);
    await expect
      .poll(async () => (await why(id))["admission"])
      .toMatchObject({ decision: "refused" });
    await untilStatus(server, id, "online");
    expect(host.workspaces.get(id)?.generation).toBe(before);
    expect((await why(id))["image"]).toMatch(/langgraph/);
    policy = {};
    await post(server, `/workspaces/${id}/restart`);
    await expect
      .poll(async () => (await why(id))["admission"])
      .toMatchObject({ decision: "allowed" });
  });

  it("keeps how an image came to be with the workspace, bounded", async () => {
    const id = await createOnline(server, { runtime: "hermes" });
    expect((await why(id))["provenance"]).toBeNull();
    const imageId = String((await why(id))["image_id"]);
    host.provenances.set(imageId, {
      buildType: "https://example.com/type",
      builder: "urn:molecule:install:test",
      repository: "https://git.example.com/team/hermes",
      commit: "c".repeat(40),
      dependencies: Array.from({ length: 300 }, (_, at) => ({
        uri: at === 0 ? "u".repeat(5000) : `docker://base:${at}`,
        digest: undefined,
      })),
      dockerfile: undefined,
      startedAt: undefined,
      finishedAt: "2026-11-01T00:00:00.000Z",
    });
    await post(server, `/workspaces/${id}/restart`);
    await expect
      .poll(async () => (await why(id))["provenance"])
      .toMatchObject({ builder: "urn:molecule:install:test", commit: "c".repeat(40) });
    const { built_from: from } = (await why(id))["provenance"] as { built_from: Json[] };
    expect(from).toHaveLength(100);
    expect(from[0]?.["uri"]).toHaveLength(2000);
  });

  it("does not know a workspace that is not there", async () => {
    const answer = await server.request("/workspaces/00000000-0000-4000-8000-000000000000/why");
    expect([answer.status, bodyOf(answer)["code"]]).toEqual([404, "ERR_NOT_FOUND"]);
  });
});

describe("a server with a policy", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-policy-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const start = async (file: string) => {
    const config = serverConfigFromEnv({
      PORT: "0",
      LOG_LEVEL: "silent",
      MOLECULE_STATE_DIR: join(directory, "state"),
      MOLECULE_ADMISSION_POLICY: file,
    });
    const parts = { host: createMemoryHost(), tell: () => undefined };
    await using server = await serve(config, parts);
    return server.url;
  };

  it("starts with one that can be used", async () => {
    const file = join(directory, "good.json");
    await writeFile(file, JSON.stringify({ effect: "warn", rules: { pinnedBases: true } }));
    expect(await start(file)).toMatch(/^http:/);
  });

  it.each([
    ["is not there", undefined],
    ["is no JSON", "{"],
    ["has a rule that nobody knows", '{ "rules": { "sined": true } }'],
  ])("does not start with one that %s", async (_, content) => {
    const file = join(directory, "bad.json");
    await rm(file, { force: true });
    if (content !== undefined) await writeFile(file, content);
    await expect(start(file)).rejects.toMatchObject({ code: "ERR_TRUST_POLICY" });
  });

  it("takes only an absolute path for it", async () => {
    await expect(start("policy.json")).rejects.toMatchObject({
      code: "ERR_SERVER_CONFIG",
      message: expect.stringContaining("MOLECULE_ADMISSION_POLICY"),
    });
  });
});
