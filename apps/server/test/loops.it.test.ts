import { systemClock } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import {
  createDockerBackend,
  createProvisioner,
  provisionerSettingsFromEnv,
  type PlanSettings,
  type WorkspaceBackend,
} from "@molecule-ai/provisioner-core";
import { runtimesFromEnv, type ResolvedImage } from "@molecule-ai/registry-mode";
import {
  buildScratchImage,
  callEngine,
  cleanupEngine,
  findTestEngine,
  uniqueName,
} from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Host } from "../src/host/host.js";
import { noteDatabaseAge } from "../src/loops/database-age.js";
import { createHealthLoop } from "../src/loops/health.js";
import { supervise } from "../src/loops/supervise.js";
import { sweepOrphans, type OrphanReport } from "../src/loops/sweep-orphans.js";
import { openLoopFixture, type LoopFixture } from "./support/loop-fixture.js";

/** Answers on its port; once /configs/fail is there it ends as soon as it starts. */
const AGENT = `#!/bin/sh
[ -f /configs/fail ] && { echo "told to fail"; exit 7; }
mkdir -p /tmp/srv && echo hello > /tmp/srv/index.html
trap 'exit 0' TERM
httpd -f -p 8000 -h /tmp/srv &
wait
`;
const HOUR = 3_600_000;

const found = await findTestEngine();

/** One installation on the test engine. */
interface Installation {
  readonly host: Host;
  readonly installId: string;
  up(): Promise<{ readonly id: string; readonly url: string }>;
}

describe.skipIf(found.skip !== undefined)(
  `background loops on a real engine${found.skip === undefined ? "" : `: ${found.skip}`}`,
  () => {
    const image = `molecule-test/${uniqueName("loops")}:1`;
    const testLabel = { "molecule.test.loops": uniqueName("t") };
    const installIds: string[] = [];
    let socketPath: string;
    let engine: DockerEngine;
    let fixture: LoopFixture;
    const over = new AbortController();
    const { signal } = over;

    beforeAll(async () => {
      if (found.skip !== undefined) return;
      socketPath = found.socketPath;
      engine = await connectEngine({
        settings: engineSettingsFromEnv(
          { DOCKER_HOST: found.dockerHost },
          { homeDirectory: homedir(), platform: process.platform },
        ),
      });
      await buildScratchImage({
        socketPath,
        ref: image,
        labels: testLabel,
        entrypoint: ["/agent.sh"],
        files: { "/agent.sh": { content: AGENT, mode: 0o755 } },
      });
      fixture = await openLoopFixture();
    });
    afterEach(async () => {
      if (found.skip !== undefined) return;
      for (const installId of installIds.splice(0)) {
        await cleanupEngine(socketPath, `molecule.platform.install=${installId}`);
        await callEngine(socketPath, { method: "DELETE", path: `/networks/${installId}` });
      }
      await fixture.clear();
    });
    afterAll(async () => {
      if (found.skip !== undefined) return;
      over.abort();
      const [[name, value] = ["", ""]] = Object.entries(testLabel);
      await cleanupEngine(socketPath, `${name}=${value}`);
      await fixture[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    });

    function install(installId = uniqueName("loops")): Installation {
      installIds.push(installId);
      const settings: PlanSettings = {
        ...provisionerSettingsFromEnv({
          MOLECULE_NETWORK: installId,
          MOLECULE_READY_TIMEOUT_SECONDS: "30",
        }),
        installId,
        registry: { kind: "local-build", repositoryPrefix: "https://git.example/t-" },
        runtimes: runtimesFromEnv({}),
        limits: tierLimitsFromEnv({}).limits,
      };
      const backend = createDockerBackend({ engine, installId, stopGraceSeconds: 2 });
      const resolved: ResolvedImage = {
        ref: image,
        imageId: image,
        digest: undefined,
        revision: undefined,
        tree: undefined,
        source: undefined,
        platform: undefined,
        outcome: "present",
        templatePath: undefined,
      };
      const images = { ensure: () => Promise.resolve(resolved) };
      const provisioner = createProvisioner({ backend, settings, imageSource: images });
      return {
        installId,
        host: {
          id: "test-engine",
          engine,
          backend,
          provisioner,
          images,
          settings,
          provenanceOf: () => Promise.resolve(undefined),
          inDocker: false,
        },
        async up() {
          const { id, url } = await provisioner.up({
            id: randomUUID(),
            name: "w",
            runtime: "langgraph",
            tier: 2,
          });
          return { id, url };
        },
      };
    }

    /** The backend as it is when everything on it is an hour older. */
    function aged(backend: WorkspaceBackend): WorkspaceBackend {
      return {
        ...backend,
        listOwned: async (options) =>
          (await backend.listOwned(options)).map((resource) => ({
            ...resource,
            createdAt: resource.createdAt === undefined ? undefined : resource.createdAt - HOUR,
          })),
      };
    }

    function sweep({ host }: Installation): Promise<OrphanReport> {
      return sweepOrphans({
        db: fixture.store.db,
        backend: aged(host.backend),
        hostId: host.id,
        isDryRun: false,
        signal,
      });
    }

    /** A database that was made long ago. */
    async function beOld(): Promise<void> {
      await fixture.store.db.execute(
        sql`insert into settings (key, value) values ('database_created_at', '1')
            on conflict (key) do update set value = excluded.value`,
      );
    }

    function watchHealth({ host }: Installation): AsyncDisposable {
      const context = fixture.context();
      // Only what the engine tells can make it run again.
      const loop = { ...createHealthLoop(context, host), intervalMs: HOUR };
      return supervise(loop, {
        db: fixture.store.db,
        instanceId: context.instanceId,
        hostId: host.id,
        clock: systemClock,
        logger: context.logger,
        random: () => 0,
      });
    }

    async function hasRun(): Promise<void> {
      const { rows } = (await fixture.store.db.execute(
        sql`select 1 from loops where last_succeeded_at is not null`,
      )) as unknown as { rows: unknown[] };
      expect(rows).toHaveLength(1);
    }

    /** In one order: the engine has none. */
    async function namesOf(owner: ReturnType<typeof install>): Promise<string[]> {
      const owned = await owner.host.backend.listOwned();
      return owned.map(({ name }) => name).sort((a, b) => (a < b ? -1 : 1));
    }

    it("sweeps one installation and touches nothing of another on the same engine", async () => {
      const [mine, other] = [install(), install()];
      const [orphan, wanted, deleted] = [await mine.up(), await mine.up(), await mine.up()];
      const theirs = await other.up();
      await beOld();
      await fixture.addWorkspace({ id: wanted.id, hostId: mine.host.id });
      await fixture.addWorkspace({ id: deleted.id, hostId: mine.host.id, status: "removed" });
      const before = await namesOf(other);

      const report = await sweep(mine);
      expect(report.failed).toEqual([]);
      expect(new Set(report.removed.map(({ workspaceId }) => workspaceId))).toEqual(
        new Set([orphan.id, deleted.id]),
      );
      expect(await mine.host.backend.inspect(orphan.id)).toBeUndefined();
      expect((await mine.host.backend.inspect(wanted.id))?.status).toBe("running");
      const left = await mine.host.backend.listOwned();
      const volumesOf = (id: string) =>
        left.filter(({ kind, workspaceId }) => kind === "volume" && workspaceId === id).length;
      expect(volumesOf(orphan.id)).toBeGreaterThan(0);
      expect(volumesOf(deleted.id)).toBe(0);
      expect(await namesOf(other)).toEqual(before);
      expect((await other.host.backend.inspect(theirs.id))?.status).toBe("running");
    });

    it("removes nothing with an empty database, nor with one younger than the containers", async () => {
      const mine = install();
      const { id } = await mine.up();
      const before = await namesOf(mine);
      await beOld();
      expect((await sweep(mine)).removed).toEqual([]);
      // A new database under the same install id, in which there are workspaces already.
      await fixture.clear();
      await noteDatabaseAge(fixture.store.db);
      await fixture.addWorkspace({ hostId: mine.host.id });
      expect((await sweep(mine)).removed).toEqual([]);
      expect(await namesOf(mine)).toEqual(before);
      expect((await mine.host.backend.inspect(id))?.status).toBe("running");
    });

    it("hears that a container was removed from outside, and asks for it again", async () => {
      const mine = install();
      const { id, url } = await mine.up();
      await fixture.addWorkspace({ id, url, urlTrusted: true, hostId: mine.host.id });
      await using _health = watchHealth(mine);
      await vi.waitFor(hasRun, 10_000);
      const [container] = await engine.containers.list({
        labels: [`molecule.platform.install=${mine.installId}`],
        all: true,
      });
      await engine.containers.remove(container?.id ?? "", { force: true });
      await vi.waitFor(async () => expect(await fixture.statusOf(id)).toBe("provisioning"), 10_000);
      expect(await fixture.operationsOf(id)).toMatchObject([{ kind: "restart", state: "queued" }]);
      expect((await fixture.events())[0]).toMatchObject({
        type: "WORKSPACE_OFFLINE",
        payload: { reason: "Its container is gone.", exit_code: null },
      });
    });

    it("gives up an agent that the engine restarts in vain, and stops it", async () => {
      const mine = install();
      const { id, url } = await mine.up();
      const { backend } = mine.host;
      await fixture.addWorkspace({ id, url, urlTrusted: true, hostId: mine.host.id });
      await using _health = watchHealth(mine);
      await vi.waitFor(hasRun, 10_000);
      await backend.exec(id, { argv: ["sh", "-c", "touch /configs/fail; kill 1"] }).catch(() => {
        // The command may end with the process that it ends.
      });
      await vi.waitFor(async () => expect(await fixture.statusOf(id)).toBe("failed"), {
        timeout: 45_000,
        interval: 200,
      });
      const events = await fixture.events();
      expect(events.at(-1)).toMatchObject({
        type: "WORKSPACE_PROVISION_FAILED",
        payload: { exit_code: 7, source: "health" },
      });
      expect(String(events.at(-1)?.payload["log_tail"])).toContain("told to fail");
      await vi.waitFor(
        async () => expect((await backend.inspect(id))?.status).toBe("exited"),
        10_000,
      );
    });
  },
);
