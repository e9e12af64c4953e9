import { connectEngine, engineSettingsFromEnv } from "@molecule-ai/docker-engine";
import { busyboxImage, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { expect, it } from "vitest";
import { startServerProcess } from "./support/server-process.js";
import { makeStateDirectory } from "./support/state-directory.js";

const found = await findTestEngine();

it.skipIf(found.skip !== undefined || process.platform !== "linux")(
  "a container reaches a server that was started with no address, by host.docker.internal",
  async () => {
    const dockerHost = found.dockerHost ?? "";
    const stateDirectory = await makeStateDirectory();
    const name = uniqueName("reach");
    await using engine = await connectEngine({
      settings: engineSettingsFromEnv(
        { DOCKER_HOST: dockerHost },
        { homeDirectory: homedir(), platform: process.platform },
      ),
    });
    try {
      await using server = await startServerProcess({
        DOCKER_HOST: dockerHost,
        PORT: "0",
        MOLECULE_STATE_DIR: stateDirectory,
        MOLECULE_INSTALL_ID: name,
        MOLECULE_ORPHAN_SWEEP: "off",
      });
      const { port } = new URL(server.url);
      await expect
        .poll(() => server.output(), { timeout: 30_000 })
        .toContain("agents reach the server at");
      const { id } = await engine.containers.create(
        {
          Image: await busyboxImage(found.socketPath ?? ""),
          // A static busybox resolves no names; the engine wrote this one into the hosts file.
          Cmd: [
            "sh",
            "-c",
            String.raw`printf 'GET /health HTTP/1.0\r\n\r\n' | nc -w 5 $(awk '/host.docker.internal/ {print $1; exit}' /etc/hosts) `.concat(
              port,
            ),
          ],
          HostConfig: { ExtraHosts: ["host.docker.internal:host-gateway"] },
        },
        { name },
      );
      await engine.containers.start(id);
      expect(await engine.containers.wait(id)).toBe(0);
      let output = "";
      for await (const { bytes } of engine.containers.logs(id)) output += bytes.toString("utf8");
      expect(output).toContain('{"status":"ok"}');
      expect(await server.stop()).toBe(0);
    } finally {
      await engine.containers.remove(name, { force: true });
      await rm(stateDirectory, { recursive: true, force: true });
    }
  },
);
