import fc from "fast-check";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { validateConfigSource } from "./config-source.js";
import { readTemplate, withUnixLineEndings } from "./template.js";

describe("readTemplate", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-template-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const put = (name: string, content: string | Buffer): Promise<void> =>
    writeFile(join(directory, name), content);

  it("lists files and directories in order and leaves .git out", async () => {
    await mkdir(join(directory, ".git"));
    await put(".git/HEAD", "x");
    await mkdir(join(directory, "prompts"));
    await put("prompts/system.txt", "hello");
    await put("config.yaml", "name: x\n");
    await put("start.sh", "#!/bin/sh\n");
    await chmod(join(directory, "start.sh"), 0o4755);
    const template = await readTemplate(directory);
    expect(template.entries.map(({ name, kind, mode }) => [name, kind, mode.toString(8)])).toEqual([
      ["config.yaml", "file", "644"],
      ["prompts", "directory", "755"],
      ["prompts/system.txt", "file", "644"],
      ["start.sh", "file", "755"],
    ]);
    expect(template.configYaml?.toString()).toBe("name: x\n");
    expect(template.totalBytes).toBe(5 + 8 + 10);
  });

  it("gives text with Windows line endings its new size, and leaves other bytes alone", async () => {
    await put("a.sh", "#!/bin/sh\r\necho\r\n");
    await put("b.py", "print()\n");
    await put("c.md", Buffer.from("PK\0\r\n"));
    await put("d.txt", "x\r\n");
    const { entries } = await readTemplate(directory);
    expect(
      entries.map(({ name, sizeBytes, content }) => [name, sizeBytes, content?.toString()]),
    ).toEqual([
      ["a.sh", 15, "#!/bin/sh\necho\n"],
      ["b.py", 8, undefined],
      ["c.md", 5, undefined],
      ["d.txt", 3, undefined],
    ]);
  });

  it("refuses links, wherever they point", async () => {
    await put("real", "x");
    for (const target of ["real", "/etc/passwd", "../../x", "absent"]) {
      await symlink(target, join(directory, "link"));
      await expect(readTemplate(directory)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_TEMPLATE_UNSAFE",
      });
      await rm(join(directory, "link"));
    }
    await symlink("/etc", join(directory, "dir"));
    await expect(readTemplate(directory)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_TEMPLATE_UNSAFE",
    });
  });

  it("refuses what is not a file without waiting for it", async () => {
    await promisify(execFile)("mkfifo", [join(directory, "pipe")]);
    await expect(readTemplate(directory)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_TEMPLATE_UNSAFE",
    });
  });

  it("refuses too many entries and too many bytes", async () => {
    await put("a", "12345");
    await put("b", "12345");
    const tooLarge = { code: "ERR_WORKSPACE_TEMPLATE_TOO_LARGE" };
    await expect(readTemplate(directory, { maxEntries: 1 })).rejects.toMatchObject(tooLarge);
    await expect(readTemplate(directory, { maxBytes: 9 })).rejects.toMatchObject(tooLarge);
    await expect(readTemplate(directory, { maxEntries: 2, maxBytes: 10 })).resolves.toBeDefined();
  });

  it("refuses a path that is no directory", async () => {
    await put("file", "x");
    for (const path of [join(directory, "absent"), join(directory, "file")]) {
      await expect(readTemplate(path)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_TEMPLATE_NOT_FOUND",
      });
    }
  });

  it("stops on abort", async () => {
    await put("a", "x");
    const reason = new Error("enough");
    await expect(readTemplate(directory, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  it("takes a config.yaml only from a regular file or from bytes that are there", async () => {
    const none = { code: "ERR_WORKSPACE_NO_CONFIG_SOURCE" };
    const bytes = { "config.yaml": Buffer.from("name: x") };
    await validateConfigSource({ templatePath: "", configFiles: bytes });
    const empty = { "config.yaml": Buffer.alloc(0) };
    await expect(validateConfigSource({ configFiles: empty })).rejects.toMatchObject(none);
    await expect(validateConfigSource({ templatePath: directory })).rejects.toMatchObject(none);
    await expect(validateConfigSource({})).rejects.toMatchObject(none);
    await mkdir(join(directory, "config.yaml"));
    await expect(validateConfigSource({ templatePath: directory })).rejects.toMatchObject(none);
    await rm(join(directory, "config.yaml"), { recursive: true });
    await put("config.yaml", "name: x");
    await validateConfigSource({ templatePath: directory });
  });
});

describe("withUnixLineEndings", () => {
  it("is what replacing CRLF would give, for all text", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ab\r\n]{0,30}$/), (text) => {
        const changed = withUnixLineEndings(Buffer.from(text));
        const expected = text.replaceAll("\r\n", "\n");
        expect((changed ?? Buffer.from(text)).toString()).toBe(expected);
        expect(changed === undefined).toBe(expected === text);
      }),
    );
  });
});
