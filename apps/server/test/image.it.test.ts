import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder } from "@molecule-ai/image-build";
import { callEngine, findTestEngine, skipOrThrow, uniqueName } from "@molecule-ai/testkit";
import { execFile } from "node:child_process";
import { copyFile, cp, mkdtemp, realpath, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const BASE = "molecule-local/base:bookworm";
const TRUST = "/etc/ssl/certs/ca-certificates.crt";
const ADMIN_TOKEN = "image-test-admin-token";

const found = await findTestEngine();
const reason = found.skip ?? (await missingBase(found.socketPath));

/** The image builds on any Debian with Node; here one is made of the test base and this very Node. */
async function missingBase(socketPath: string): Promise<string | undefined> {
  const { status } = await callEngine(socketPath, { method: "GET", path: `/images/${BASE}/json` });
  if (status === 200) return undefined;
  return skipOrThrow("engine", `no base image ${BASE}: npm test and npm run quickstart make it`);
}

describe.skipIf(reason !== undefined)(
  `the image of the server${reason === undefined ? "" : `: ${reason}`}`,
  () => {
    const nodeImage = `${uniqueName("molecule-test/node")}:v1`;
    const image = `${uniqueName("molecule-test/server")}:v1`;
    const network = uniqueName("molecule-test-net");
    const directories: string[] = [];
    let engine: DockerEngine;

    beforeAll(async () => {
      if (found.skip !== undefined) return;
      engine = await connectEngine({
        settings: engineSettingsFromEnv(
          { DOCKER_HOST: found.dockerHost },
          { homeDirectory: homedir(), platform: process.platform, uid: process.getuid?.() },
        ),
      });
      const builder = createImageBuilder({ engine });
      await builder.build({
        context: { kind: "directory", path: await nodeContext() },
        tags: [nodeImage],
      });
      await builder.build({
        context: { kind: "directory", path: await sourceContext() },
        dockerfile: "apps/server/Dockerfile",
        buildArgs: { NODE_IMAGE: nodeImage },
        tags: [image],
      });
    }, 900_000);

    afterAll(async () => {
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
      if (found.skip !== undefined) return;
      const { socketPath } = found;
      await callEngine(socketPath, { method: "DELETE", path: `/images/${image}?force=true` });
      await callEngine(socketPath, { method: "DELETE", path: `/images/${nodeImage}?force=true` });
      await engine[Symbol.asyncDispose]();
    });

    async function temporaryDirectory(): Promise<string> {
      const directory = await mkdtemp(join(tmpdir(), "molecule-image-"));
      directories.push(directory);
      return directory;
    }

    async function nodeContext(): Promise<string> {
      const directory = await temporaryDirectory();
      const program = await realpath(process.execPath);
      await copyFile(program, join(directory, "node"));
      await cp(join(dirname(program), "../lib/node_modules/npm"), join(directory, "npm"), {
        recursive: true,
        dereference: true,
      });
      await copyFile(TRUST, join(directory, "trust.crt"));
      await writeFile(
        join(directory, "Dockerfile"),
        [
          `FROM ${BASE}`,
          "COPY node /usr/local/bin/node",
          "COPY npm /usr/local/lib/node_modules/npm",
          "RUN chmod +x /usr/local/bin/node \\",
          " && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\",
          " && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx",
          // A machine may reach the registry of packages through a proxy with a certificate of its own.
          `COPY trust.crt ${TRUST}`,
          `ENV NODE_EXTRA_CA_CERTS=${TRUST}`,
          "",
        ].join("\n"),
      );
      return directory;
    }

    /** What git knows of, as it is now. */
    async function sourceContext(): Promise<string> {
      const directory = await temporaryDirectory();
      const { stdout } = await run(
        "git",
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        {
          cwd: ROOT,
          maxBuffer: 16 * 1024 ** 2,
        },
      );
      for (const path of stdout.split("\0")) {
        if (path === "") continue;
        // A file that was deleted but not yet committed is still listed.
        await cp(join(ROOT, path), join(directory, path), { recursive: true }).catch(ignoreAbsent);
      }
      return directory;
    }

    it("is not root, has no shell script in the way of signals, and keeps no source", async () => {
      const info = await engine.images.inspect(image);
      const { body } = await callEngine(found.socketPath ?? "", {
        method: "GET",
        path: `/images/${image}/json`,
      });
      const config = (JSON.parse(String(body)) as { Config: Record<string, unknown> }).Config;
      expect(info).toBeDefined();
      expect(config).toMatchObject({ User: "molecule", Entrypoint: ["node", "/app/dist/bin.js"] });
    });

    it("serves with the engine's socket by group alone, read-only, without capabilities", async () => {
      const socketPath = found.socketPath ?? "";
      const { gid } = await stat(socketPath);
      const name = uniqueName("molecule-test-server");
      const create = async (path: string, body: object): Promise<{ readonly Id: string }> => {
        const answer = await callEngine(socketPath, {
          method: "POST",
          path,
          body,
        });
        expect(answer.status, String(answer.body)).toBe(201);
        return JSON.parse(String(answer.body)) as { readonly Id: string };
      };
      const networkId = (await create("/networks/create", { Name: network })).Id;
      let containerId: string | undefined;
      try {
        const created = await create(`/containers/create?name=${name}`, {
          Image: image,
          Env: [
            `ADMIN_TOKEN=${ADMIN_TOKEN}`,
            "MOLECULE_IN_DOCKER=true",
            `MOLECULE_NETWORK=${network}`,
            "LOG_LEVEL=warn",
          ],
          HostConfig: {
            Binds: [`${socketPath}:/var/run/docker.sock`],
            GroupAdd: [String(gid)],
            ReadonlyRootfs: true,
            Tmpfs: { "/tmp": "" },
            CapDrop: ["ALL"],
            SecurityOpt: ["no-new-privileges:true"],
            NetworkMode: network,
            PortBindings: { "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
            AutoRemove: false,
          },
        });
        containerId = created.Id;
        await callEngine(socketPath, { method: "POST", path: `/containers/${containerId}/start` });
        const url = await publishedUrl(containerId);
        await untilReady(url, containerId);
        const ready = await fetch(`${url}/ready`);
        expect(ready.status).toBe(200);
        const images = await fetch(`${url}/images`, {
          headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        });
        expect(images.status).toBe(200);
        const stopped = await callEngine(socketPath, {
          method: "POST",
          path: `/containers/${containerId}/stop?t=15`,
        });
        expect(stopped.status).toBe(204);
        const after = await inspect(containerId);
        expect(after.State).toMatchObject({ ExitCode: 0, OOMKilled: false });
      } finally {
        if (containerId !== undefined) {
          await callEngine(socketPath, {
            method: "DELETE",
            path: `/containers/${containerId}?force=true&v=true`,
          });
        }
        await callEngine(socketPath, { method: "DELETE", path: `/networks/${networkId}` });
      }
    });

    async function inspect(id: string): Promise<{
      readonly State: { readonly Running: boolean; readonly ExitCode: number };
      readonly NetworkSettings: {
        readonly Ports: Readonly<Record<string, readonly { readonly HostPort: string }[]>>;
      };
    }> {
      const { body } = await callEngine(found.socketPath ?? "", {
        method: "GET",
        path: `/containers/${id}/json`,
      });
      return JSON.parse(String(body)) as Awaited<ReturnType<typeof inspect>>;
    }

    async function publishedUrl(id: string): Promise<string> {
      const { NetworkSettings } = await inspect(id);
      return `http://127.0.0.1:${NetworkSettings.Ports["8080/tcp"]?.[0]?.HostPort ?? ""}`;
    }

    async function untilReady(url: string, id: string): Promise<void> {
      for (let attempt = 0; attempt < 300; attempt += 1) {
        const answer = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2000) }).catch(
          () => undefined,
        );
        if (answer?.status === 200) return;
        if (!(await inspect(id)).State.Running) break;
        await sleep(200);
      }
      let output = "";
      for await (const line of engine.containers.logs(id, { tail: 20 }))
        output += line.bytes.toString();
      throw new Error(`The server in its container does not become ready:\n${output}`);
    }
  },
);

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
