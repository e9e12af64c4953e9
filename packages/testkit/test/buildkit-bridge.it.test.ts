import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  busyboxImage,
  findBuildx,
  findOpenssl,
  findTestEngine,
  startBuildkitBridge,
  type BuildkitBridge,
} from "../src/index.js";

const engine = await findTestEngine();
const buildx = await findBuildx();
const openssl = await findOpenssl();

describe.skipIf(engine.skip !== undefined || buildx.skip !== undefined)(
  "the BuildKit bridge",
  () => {
    const socketPath = engine.socketPath ?? "";
    let directory: string;
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "bridge-test-"));
    });
    afterEach(() => rm(directory, { recursive: true, force: true }));

    const environment = () => ({
      env: { PATH: "/usr/bin:/bin", HOME: directory, BUILDX_CONFIG: join(directory, "buildx") },
      extendEnv: false,
      cwd: directory,
    });
    /** Runs buildx with a configuration of its own. */
    const run = (args: readonly string[]) =>
      execa(buildx.file ?? "", args, { ...environment(), all: true, reject: false });
    const must = async (args: readonly string[]): Promise<string> => {
      const { all, exitCode } = await run(args);
      expect(exitCode, all).toBe(0);
      return all;
    };
    const create = (bridge: BuildkitBridge, options: string[] = []): Promise<string> =>
      must([
        "create",
        "--name=bridge",
        "--driver=remote",
        ...options.map((option) => `--driver-opt=${option}`),
        bridge.address,
      ]);

    it("is a daemon that buildx builds on", async () => {
      await using bridge = await startBuildkitBridge({ socketPath });
      await create(bridge);
      const text = `hello ${Date.now()}`;
      await writeFile(join(directory, "greeting"), text);
      await writeFile(join(directory, "Dockerfile"), "FROM scratch\nCOPY greeting /out\n");
      const output = `type=local,dest=${join(directory, "result")}`;
      await must(["build", "--builder", "bridge", "--output", output, "."]);
      expect(await readFile(join(directory, "result/out"), "utf8")).toBe(text);
      expect(bridge.accepted).toBeGreaterThan(0);
      expect(bridge.connections).toBe(0);
    });

    it.skipIf(openssl.skip !== undefined)("takes only clients it knows, over TLS", async () => {
      await using bridge = await startBuildkitBridge({
        socketPath,
        tls: true,
      });
      const at = bridge.certificates ?? "";
      await create(bridge, [`cacert=${at}/ca.pem,cert=${at}/cert.pem,key=${at}/key.pem`]);
      expect(await must(["inspect", "bridge"])).toMatch(/Status:\s+running/);
      await must(["rm", "bridge"]);
      await create(bridge, [`cacert=${at}/ca.pem`]);
      const refused = await run(["inspect", "bridge", "--timeout", "2s"]);
      expect(refused.all).not.toMatch(/Status:\s+running/);
    });

    it("breaks a build that is under way", async () => {
      await using bridge = await startBuildkitBridge({ socketPath });
      const image = await busyboxImage(socketPath);
      await create(bridge);
      await writeFile(
        join(directory, "Dockerfile"),
        `FROM ${image}\nRUN echo ${Date.now()} && sleep 50\n`,
      );
      const output = `type=local,dest=${join(directory, "result")}`;
      const args = ["build", "--builder", "bridge", "--progress", "plain", "--output", output, "."];
      const build = run(args);
      for await (const line of build.iterable({ from: "all" })) {
        if (String(line).includes("RUN echo")) break;
      }
      const startedAt = performance.now();
      bridge.cut();
      expect((await build).exitCode).not.toBe(0);
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    });

    it("ends with connections that never said anything, and leaves no file", async () => {
      const bridge = await startBuildkitBridge({ socketPath, tls: openssl.skip === undefined });
      const client = connect(bridge.port, "127.0.0.1");
      client.on("error", () => undefined);
      await once(client, "connect");
      await expect.poll(() => bridge.connections).toBe(1);
      await bridge[Symbol.asyncDispose]();
      await bridge[Symbol.asyncDispose]();
      if (!client.closed) await once(client, "close");
      expect(bridge.connections).toBe(0);
      if (bridge.certificates !== undefined) expect(existsSync(bridge.certificates)).toBe(false);
    });
  },
);
