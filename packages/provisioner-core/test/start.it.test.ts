import { findTestEngine } from "@molecule-ai/testkit";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configVolumeName, containerName } from "../src/index.js";
import { execText, openLab, readLog, recordEvents, type Lab } from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("start", () => {
  let lab: Lab;
  let directory: string;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
    directory = await mkdtemp(join(tmpdir(), "molecule-start-"));
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  it("brings a workspace up: named, labelled, configured before its process, reachable", async () => {
    const spec = lab.spec({
      name: "Front End",
      env: { CUSTOM: "1", PYTHONPATH: "/custom:/app" },
      authToken: "tok-123",
      configFiles: {
        "config.yaml": Buffer.from("name: here\n"),
        "prompts/a/b.md": Buffer.from("hi"),
      },
    });
    const { events, onEvent } = recordEvents();
    const result = await lab.provisioner.up(spec, { onEvent });

    expect(result).toMatchObject({ id: spec.id, name: "Front End", tier: 2, ready: true });
    expect(result.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await (await fetch(result.url)).text()).toBe("hello\n");
    expect(result.timings.map(({ stage }) => stage)).toEqual([
      "resolve",
      "create",
      "seed",
      "start",
      "ready",
    ]);
    expect(events.filter(({ type }) => type === "stage.failed")).toEqual([]);

    const raw = await lab.raw(containerName(spec.id));
    expect(raw.Config.Labels).toMatchObject({
      "molecule.platform.managed": "true",
      "molecule.platform.install": lab.installId,
      "molecule.platform.workspace": spec.id,
      "molecule.platform.name": "Front End",
      "molecule.platform.runtime": "test-agent",
      "molecule.platform.tier": "2",
    });
    expect(raw.Config.Env.slice(0, 9)).toEqual([
      `WORKSPACE_ID=${spec.id}`,
      "WORKSPACE_CONFIG_PATH=/configs",
      "PLATFORM_URL=http://host.docker.internal:8080",
      "MOLECULE_URL=http://host.docker.internal:8080",
      "TIER=2",
      "PLUGINS_DIR=/plugins",
      "PYTHONPATH=/app",
      "CUSTOM=1",
      "PYTHONPATH=/custom:/app",
    ]);
    expect(raw.HostConfig["ExtraHosts"]).toEqual(["host.docker.internal:host-gateway"]);

    const log = await readLog(lab.backend, spec.id);
    expect(log).toContain("argument: from-image");
    expect(log).toContain("config: name: here");
    const modes = await execText(
      lab.backend,
      spec.id,
      "stat",
      "-c",
      "%n %a %u",
      "/configs/config.yaml",
      "/configs/.auth_token",
      "/configs/prompts/a/b.md",
      "/workspace",
    );
    expect(modes.trim().split("\n")).toEqual([
      "/configs/config.yaml 644 0",
      "/configs/.auth_token 600 0",
      "/configs/prompts/a/b.md 644 0",
      "/workspace 755 1000",
    ]);
    expect(await execText(lab.backend, spec.id, "cat", "/configs/.auth_token")).toBe("tok-123");
    // The last of two entries of one name is the one the process sees.
    expect(await execText(lab.backend, spec.id, "sh", "-c", "echo $PYTHONPATH")).toBe(
      "/custom:/app\n",
    );
    const aliases = (await lab.engine.containers.inspect(containerName(spec.id)))?.networks;
    expect(aliases?.[lab.installId]?.aliases).toContain(containerName(spec.id));

    const details = await lab.backend.inspect(spec.id);
    expect(details?.volumes.map(({ role }) => role).sort()).toEqual(["configs", "workspace"]);
    for (const { name } of details?.volumes ?? []) {
      expect((await lab.engine.volumes.inspect(name))?.labels).toMatchObject({
        "molecule.platform.install": lab.installId,
        "molecule.platform.workspace": spec.id,
      });
    }
    expect(JSON.stringify(details?.raw)).not.toContain("CUSTOM=1");
  });

  it("copies a template whole: line endings, modes, large files, given files on top", async () => {
    const template = join(directory, "template");
    await mkdir(join(template, "sub"), { recursive: true });
    await mkdir(join(template, ".git"));
    await writeFile(join(template, ".git", "config"), "secret");
    await writeFile(join(template, "config.yaml"), "name: template\n");
    await writeFile(join(template, "sub", "run.sh"), "#!/bin/sh\r\necho ran\r\n", { mode: 0o755 });
    await writeFile(join(template, "empty"), "");
    await writeFile(join(template, "photo.py"), Buffer.from("\0\r\n"));
    await writeFile(join(template, ".auth_token"), "not-yours", { mode: 0o644 });
    const large = Buffer.alloc(3_000_001, "large ");
    await writeFile(join(template, "large.bin"), large);
    const spec = lab.spec({
      templatePath: template,
      configFiles: { "extra.txt": Buffer.from("extra") },
    });
    await lab.provisioner.up(spec);
    const list = await execText(
      lab.backend,
      spec.id,
      "sh",
      "-c",
      "cd /configs && find . -type f | sort | xargs stat -c '%n %a %s'",
    );
    expect(list.trim().split("\n")).toEqual([
      "./config.yaml 644 15",
      "./empty 644 0",
      "./extra.txt 644 5",
      "./large.bin 644 3000001",
      "./photo.py 644 3",
      "./sub/run.sh 755 19",
    ]);
    expect(await execText(lab.backend, spec.id, "/configs/sub/run.sh")).toBe("ran\n");
    const digest = await execText(lab.backend, spec.id, "sha256sum", "/configs/large.bin");
    expect(digest).toContain(createHash("sha256").update(large).digest("hex"));
  });

  it("generates a config.yaml when nobody brings one, and keeps the one in a kept volume", async () => {
    const spec = lab.spec({ configFiles: {}, name: "No Config" });
    await lab.provisioner.up(spec);
    const first = await lab.backend.files.read(spec.id, "/configs/config.yaml");
    expect(first?.toString()).toContain('name: "No Config"');
    await lab.backend.files.write(spec.id, "/configs/config.yaml", Buffer.from("name: edited\n"));
    await lab.backend.remove(spec.id, { keepVolumes: true });
    await lab.provisioner.up(spec);
    const second = await lab.backend.files.read(spec.id, "/configs/config.yaml");
    expect(second?.toString()).toBe("name: edited\n");
  });

  it("refuses a template without config.yaml and an empty config.yaml before anything is made", async () => {
    const bare = join(directory, "bare");
    await mkdir(bare);
    const none = { code: "ERR_WORKSPACE_NO_CONFIG_SOURCE" };
    const before = await lab.leftovers();
    const template = lab.spec({ templatePath: bare, configFiles: {} });
    await expect(lab.provisioner.up(template)).rejects.toMatchObject(none);
    const empty = lab.spec({ configFiles: { "config.yaml": Buffer.alloc(0) } });
    await expect(lab.provisioner.up(empty)).rejects.toMatchObject(none);
    expect(await lab.leftovers()).toEqual(before);
  });

  it("mounts a host directory, and refuses one that is missing or a link to the system", async () => {
    const work = join(directory, "work");
    await mkdir(work);
    await writeFile(join(work, "note"), "from host");
    const spec = lab.spec({ workspacePath: work, workspaceAccess: "read_only" });
    await lab.provisioner.up(spec);
    expect(await execText(lab.backend, spec.id, "cat", "/workspace/note")).toBe("from host");
    const touch = await lab.backend.exec(spec.id, { argv: ["touch", "/workspace/x"] });
    expect(touch.exitCode).not.toBe(0);

    const before = await lab.leftovers();
    const missing = lab.spec({ workspacePath: join(directory, "absent") });
    await expect(lab.provisioner.up(missing)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_PATH_NOT_FOUND",
    });
    await promisify(execFile)("ln", ["-s", "/etc", join(directory, "link")]);
    const link = lab.spec({ workspacePath: join(directory, "link") });
    await expect(lab.provisioner.up(link)).rejects.toMatchObject({
      code: "ERR_HOST_CONFIG_PATH_FORBIDDEN",
    });
    expect(await lab.leftovers()).toEqual(before);
    await expect(readFile(join(directory, "absent"))).rejects.toThrow();
  });

  it("starts on tier 1 with a read-only root, its config and its secrets", async () => {
    const secrets = { TEST_SECRET: "tier one" };
    const spec = lab.spec({ tier: 1, secrets, authToken: "tok" });
    const result = await lab.provisioner.up(spec);
    expect(await (await fetch(result.url)).text()).toBe("hello\n");
    const raw = await lab.raw(containerName(spec.id));
    expect(raw.HostConfig["ReadonlyRootfs"]).toBe(true);
    expect(raw.HostConfig["Binds"]).toEqual([
      `${configVolumeName(spec.id)}:/configs`,
      `${containerName(spec.id)}-secrets:/run/molecule`,
    ]);
    expect(await readLog(lab.backend, spec.id)).toContain(md5("tier one"));
    expect(JSON.stringify(raw)).not.toContain("tier one");
    await lab.backend.files.write(spec.id, "/configs/later.txt", Buffer.from("x"));
  });

  it("publishes the port that config.yaml names", async () => {
    const image = await lab.buildImage({
      entrypoint: ["/bin/sh", "-c", "exec httpd -f -p 9123 -h /tmp"],
    });
    const provisioner = lab.provisionerOn(lab.backend, image);
    const config = Buffer.from("a2a:\n  port: 9123\n");
    const spec = lab.spec({ configFiles: { "config.yaml": config } });
    const result = await provisioner.up(spec);
    expect((await fetch(result.url)).status).toBe(404);
    const restarted = await provisioner.restart(spec.id);
    expect((await fetch(restarted.url)).status).toBe(404);
    expect((await lab.backend.list()).find(({ id }) => id === spec.id)?.url).toBe(restarted.url);
  });

  describe("secrets", () => {
    const value = 'it\'s "secret"\n$HOME `x` \\ end\n';

    it("reach the process and nothing else", async () => {
      const spec = lab.spec({ secrets: { TEST_SECRET: value } });
      const { events, onEvent } = recordEvents();
      await lab.provisioner.up(spec, { onEvent });
      expect(await readLog(lab.backend, spec.id)).toContain(md5(value));
      const raw = await lab.raw(containerName(spec.id));
      expect(JSON.stringify(raw)).not.toContain('secret\\"');
      expect(raw.Config.Env.some((entry) => entry.startsWith("TEST_SECRET"))).toBe(false);
      expect(raw.Config.Cmd).toEqual(["from-image"]);
      expect(JSON.stringify(events)).not.toContain("end\\n");
      const modes = await execText(
        lab.backend,
        spec.id,
        "stat",
        "-c",
        "%a %u",
        "/run/molecule/secrets",
        "/run/molecule/secrets/env",
      );
      expect(modes).toBe("700 0\n400 0\n");
      const other = await lab.backend.exec(spec.id, {
        argv: ["cat", "/run/molecule/secrets/env"],
        user: "1000:1000",
      });
      expect(other.exitCode).not.toBe(0);
    });

    it("keep signals on their way: a stop ends the process by SIGTERM", async () => {
      const spec = lab.spec({ secrets: { TEST_SECRET: value } });
      await lab.provisioner.up(spec);
      expect(await lab.backend.stop(spec.id, { graceSeconds: 20 })).toBe(true);
      expect(await readLog(lab.backend, spec.id)).toContain("got TERM");
      expect(await lab.backend.inspect(spec.id)).toMatchObject({ status: "exited", exitCode: 0 });
    });

    it.each(["1000", "1000:1000", "agent", "agent:agent"])(
      "belong to the user of an image that says USER %s, and so does the config",
      async (user) => {
        const image = await lab.buildImage({
          user,
          entrypoint: [
            "/bin/sh",
            "-c",
            `printf %s "$TEST_SECRET" | md5sum; touch /configs/mine; exec httpd -f -p 8000 -h /tmp`,
          ],
        });
        const spec = lab.spec({ secrets: { TEST_SECRET: value }, authToken: "tok" });
        await lab.provisionerOn(lab.backend, image).up(spec);
        expect(await readLog(lab.backend, spec.id)).toContain(md5(value));
        const owners = await execText(
          lab.backend,
          spec.id,
          "stat",
          "-c",
          "%u %a",
          "/run/molecule/secrets/env",
          "/configs/.auth_token",
          "/configs/mine",
        );
        expect(owners).toBe("1000 400\n1000 600\n1000 644\n");
      },
    );

    it("are plain environment with a warning where the image has no shell", async () => {
      const binary = await readFile("/bin/busybox");
      const image = await lab.buildImage({
        busybox: false,
        files: { "/app/busybox": { content: binary, mode: 0o755 } },
        entrypoint: ["/app/busybox", "httpd", "-f", "-p", "8000"],
        cmd: ["-h", "/tmp"],
      });
      const spec = lab.spec({ secrets: { TEST_SECRET: "plain" } });
      const { events, onEvent } = recordEvents();
      await lab.provisionerOn(lab.backend, image).up(spec, { onEvent });
      expect(events).toContainEqual(
        expect.objectContaining({ type: "warning", code: "WARN_WORKSPACE_SECRETS_VISIBLE" }),
      );
      const raw = await lab.raw(containerName(spec.id));
      expect(raw.Config.Env).toContain("TEST_SECRET=plain");
      expect(raw.Config.Entrypoint[0]).toBe("/app/busybox");
    });
  });
});

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
