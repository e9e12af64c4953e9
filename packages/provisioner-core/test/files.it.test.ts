import { findTestEngine } from "@molecule-ai/testkit";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { WorkspaceFiles } from "../src/index.js";
import { execText, openLab, type Lab } from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("files of a workspace", () => {
  let lab: Lab;
  let files: WorkspaceFiles;
  let id: string;
  let stoppedId: string;
  let base: string;
  let directory: string;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
    files = lab.backend.files;
    base = await mkdtemp(join(tmpdir(), "molecule-files-"));
    const [running, stopped] = [lab.spec(), lab.spec()];
    await lab.provisioner.up(running);
    await lab.provisioner.up(stopped, { wait: false });
    await lab.backend.stop(stopped.id, { graceSeconds: 0 });
    id = running.id;
    stoppedId = stopped.id;
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(base, { recursive: true, force: true });
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(base, "case-"));
  });
  const sh = (script: string): Promise<string> => execText(lab.backend, id, "sh", "-c", script);

  it("are read, written and looked at whether it runs or not", async () => {
    for (const workspace of [id, stoppedId]) {
      await files.write(workspace, "/configs/deep/er/note.txt", Buffer.from("hello"));
      expect((await files.read(workspace, "/configs/deep/er/note.txt"))?.toString()).toBe("hello");
      expect(await files.stat(workspace, "/configs/deep")).toMatchObject({ kind: "directory" });
      expect(await files.stat(workspace, "//configs/./deep/er/note.txt")).toMatchObject({
        path: "/configs/deep/er/note.txt",
        kind: "file",
        sizeBytes: 5,
        mode: 0o644,
      });
    }
  });

  it("that are absent are absent, and not empty", async () => {
    expect(await files.read(id, "/configs/absent")).toBeUndefined();
    expect(await files.stat(id, "/no/such/directory/file")).toBeUndefined();
    await expect(files.read("unknown-id", "/configs/x")).rejects.toMatchObject({
      code: "ERR_WORKSPACE_NOT_FOUND",
    });
    await expect(files.copyOut(id, "/absent", join(directory, "x"))).rejects.toMatchObject({
      code: "ERR_WORKSPACE_FILE_NOT_FOUND",
    });
    await expect(files.copyIn(id, base, "/absent")).rejects.toMatchObject({
      code: "ERR_WORKSPACE_FILE_NOT_FOUND",
    });
  });

  it("keep owner and mode when they are written over, unless others are given", async () => {
    await sh("echo old > /configs/mine; chown 1000:1000 /configs/mine; chmod 640 /configs/mine");
    await files.write(id, "/configs/mine", Buffer.from("new"));
    expect(await sh("stat -c '%u:%g %a' /configs/mine; cat /configs/mine")).toBe(
      "1000:1000 640\nnew",
    );
    await files.write(id, "/configs/mine", Buffer.from("x"), { mode: 0o600, uid: 7, gid: 8 });
    expect(await sh("stat -c '%u:%g %a' /configs/mine")).toBe("7:8 600\n");
  });

  it("are followed through links inside the workspace only", async () => {
    await sh(
      "ln -sf config.yaml /configs/link; ln -sf /configs/link /tmp/abs; ln -sf loop /tmp/loop",
    );
    expect((await files.read(id, "/configs/link"))?.toString()).toBe("name: test\n");
    expect((await files.read(id, "/tmp/abs"))?.toString()).toBe("name: test\n");
    await expect(files.read(id, "/tmp/loop")).rejects.toThrow();
    await sh("ln -sf ../../../../../../etc/hostname /tmp/up");
    expect((await files.read(id, "/tmp/up"))?.toString()).not.toBe(
      await readFile("/etc/hostname", "utf8"),
    );
  });

  it("longer than asked for are refused, and directories are not files", async () => {
    await sh("head -c 2000 /dev/zero > /tmp/big");
    await expect(files.read(id, "/tmp/big", { maxBytes: 1999 })).rejects.toMatchObject({
      code: "ERR_WORKSPACE_FILE_TOO_LARGE",
      details: { sizeBytes: 2000, maxBytes: 1999 },
    });
    expect((await files.read(id, "/tmp/big", { maxBytes: 2000 }))?.length).toBe(2000);
    await expect(files.read(id, "/configs")).rejects.toMatchObject({
      code: "ERR_WORKSPACE_FILE_KIND",
    });
    await expect(files.write(id, "/configs", Buffer.from(""))).rejects.toMatchObject({
      code: "ERR_WORKSPACE_FILE_KIND",
    });
  });

  it.each(["", "relative", "../up", "/a/../b", "/a\0b", "/a\nb", `/${"x".repeat(256)}`])(
    "have no path like %j",
    async (path) => {
      const refused = { code: "ERR_WORKSPACE_FILE_PATH_INVALID" };
      await expect(files.read(id, path)).rejects.toMatchObject(refused);
      await expect(files.write(id, path, Buffer.from(""))).rejects.toMatchObject(refused);
      await expect(files.stat(id, path)).rejects.toMatchObject(refused);
      await expect(files.copyOut(id, path, directory)).rejects.toMatchObject(refused);
    },
  );

  it("are copied in with their tree, modes and inner links", async () => {
    const tree = join(directory, "tree");
    await mkdir(join(tree, "sub"), { recursive: true });
    await writeFile(join(tree, "sub", "run.sh"), "#!/bin/sh\necho in\n", { mode: 0o755 });
    await writeFile(join(tree, "empty"), "");
    await symlink("sub/run.sh", join(tree, "link"));
    await files.copyIn(id, tree, "/workspace");
    expect(await sh("/workspace/tree/link; stat -c '%s %F' /workspace/tree/empty")).toMatch(
      /^in\n0 regular empty file\n$/,
    );
    await files.copyIn(stoppedId, join(tree, "empty"), "/configs");
    expect(await files.stat(stoppedId, "/configs/empty")).toMatchObject({ sizeBytes: 0 });
  });

  it("are not copied in when a link leads out of the tree", async () => {
    for (const target of ["/etc/passwd", "../../x"]) {
      const tree = await mkdtemp(join(directory, "bad-"));
      await symlink(target, join(tree, "link"));
      await expect(files.copyIn(id, tree, "/workspace")).rejects.toMatchObject({
        code: "ERR_WORKSPACE_COPY_UNSAFE",
      });
    }
    await expect(files.copyIn(id, join(directory, "absent"), "/tmp")).rejects.toMatchObject({
      code: "ERR_WORKSPACE_COPY_TARGET",
    });
  });

  it("are copied out: one file, over a file, into a directory, a whole tree", async () => {
    const file = join(directory, "config.yaml");
    await files.copyOut(id, "/configs/config.yaml", file);
    expect(await readFile(file, "utf8")).toBe("name: test\n");
    await files.copyOut(stoppedId, "/configs/config.yaml", file);
    await files.copyOut(id, "/configs/config.yaml", base);
    expect(await readFile(join(base, "config.yaml"), "utf8")).toBe("name: test\n");

    await sh(
      "mkdir -p /tmp/out/a; echo 1 > /tmp/out/a/x; ln -f /tmp/out/a/x /tmp/out/hard; ln -sf a/x /tmp/out/soft; chmod 4755 /tmp/out/a/x",
    );
    const target = join(directory, "copy");
    await files.copyOut(id, "/tmp/out", target);
    expect((await readdir(target)).sort()).toEqual(["a", "hard", "soft"]);
    expect(await readFile(join(target, "hard"), "utf8")).toBe("1\n");
    expect(await readFile(join(target, "soft"), "utf8")).toBe("1\n");
    expect((await lstat(join(target, "soft"))).isSymbolicLink()).toBe(true);
    expect(((await lstat(join(target, "a", "x"))).mode & 0o7000).toString(8)).toBe("0");
    await expect(files.copyOut(id, "/tmp/out", target)).resolves.toBeUndefined();
    await expect(files.copyOut(id, "/tmp/out", target)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_COPY_TARGET",
    });
    expect((await readdir(directory)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("are not copied out when a link leads out of the copy, and nothing stays behind", async () => {
    for (const link of ["/etc/passwd", "../outside", "a/../../outside"]) {
      await sh(`rm -rf /tmp/evil; mkdir -p /tmp/evil/a; ln -s ${link} /tmp/evil/link`);
      await expect(files.copyOut(id, "/tmp/evil", join(directory, "evil"))).rejects.toMatchObject({
        code: "ERR_WORKSPACE_COPY_UNSAFE",
      });
    }
    await sh("rm -rf /tmp/evil; mkdir /tmp/evil; mkfifo /tmp/evil/pipe");
    await expect(files.copyOut(id, "/tmp/evil", join(directory, "evil"))).rejects.toMatchObject({
      code: "ERR_WORKSPACE_COPY_UNSAFE",
    });
    expect(await readdir(directory)).toEqual([]);
  });

  it("stop being copied on abort", async () => {
    await sh("head -c 50000000 /dev/zero > /tmp/large");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 5);
    await expect(
      files.copyOut(id, "/tmp/large", join(directory, "large"), { signal: controller.signal }),
    ).rejects.toBe(reason);
    expect(await readdir(directory)).toEqual([]);
  });
});
