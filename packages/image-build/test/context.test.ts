import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import fc from "fast-check";
import { extract } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planContext, type ContextPlan } from "../src/context/context-plan.js";
import { packContext } from "../src/context/context-tar.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "molecule-context-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function write(path: string, content: string | Buffer = path, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), mode);
}

const plan = (overrides: Partial<Parameters<typeof planContext>[0]> = {}): Promise<ContextPlan> =>
  planContext({
    path: root,
    dockerfile: "Dockerfile",
    maxBytes: 1e9,
    maxFiles: 10_000,
    ...overrides,
  });

const paths = async (
  overrides?: Partial<Parameters<typeof planContext>[0]>,
): Promise<readonly string[]> => (await plan(overrides)).entries.map((entry) => entry.path);

const pack = async (): Promise<Buffer> => buffer(packContext(await plan(), 0));

interface Unpacked {
  readonly name: string;
  readonly type: string | null | undefined;
  readonly mode: number | undefined;
  readonly owner: string;
  readonly mtime: number | undefined;
  readonly linkname: string | null | undefined;
  readonly content: string;
}

async function unpack(tar: Buffer): Promise<Unpacked[]> {
  const reader = extract();
  reader.end(tar);
  const found: Unpacked[] = [];
  for await (const entry of reader) {
    const { header } = entry;
    found.push({
      name: header.name,
      type: header.type,
      mode: header.mode,
      owner: `${header.uid}:${header.gid}`,
      mtime: header.mtime?.getTime(),
      linkname: header.linkname,
      content: (await buffer(entry)).toString("utf8"),
    });
  }
  return found;
}

const openFiles = async (): Promise<number> => (await readdir("/proc/self/fd")).length;

describe("what is sent", () => {
  it("never contains .git, at any depth, as a directory or as a submodule's file", async () => {
    await write("Dockerfile");
    await write(".git/config", "token");
    await write("modules/one/.git", "gitdir: ../../.git/modules/one");
    await write("modules/two/.git/config");
    await write("modules/one/a.py");
    await write(".gitignore");
    expect(await paths()).toEqual([
      ".gitignore",
      "Dockerfile",
      "modules",
      "modules/one",
      "modules/one/a.py",
      "modules/two",
    ]);
  });

  it("sends .git no more when an exception of .dockerignore asks for it", async () => {
    await write("Dockerfile");
    await write(".dockerignore", "*\n!.git\n!.git/config");
    await write(".git/config");
    expect(await paths()).toEqual([".dockerignore", "Dockerfile"]);
  });

  it("honours .dockerignore, but always sends it and the Dockerfile", async () => {
    await write("build/Dockerfile");
    await write("build/junk");
    await write(".dockerignore", "**\n!src/*.py");
    await write("src/a.py");
    await write("src/deep/b.py");
    await write("README.md");
    expect(await paths({ dockerfile: "build/Dockerfile" })).toEqual([
      ".dockerignore",
      "build",
      "build/Dockerfile",
      "src",
      "src/a.py",
    ]);
  });

  it("prefers the ignore file that carries the Dockerfile's name", async () => {
    await write("Dockerfile");
    await write("dev.Dockerfile");
    await write(".dockerignore", "a");
    await write("dev.Dockerfile.dockerignore", "b");
    await write("a");
    await write("b");
    expect(await paths()).not.toContain("a");
    expect(await paths()).toContain("b");
    expect(await paths({ dockerfile: "./dev.Dockerfile" })).toContain("a");
    expect(await paths({ dockerfile: "./dev.Dockerfile" })).not.toContain("b");
  });

  it("sends links as links, and nothing that lies behind them", async () => {
    await write("Dockerfile");
    await symlink("/etc/passwd", join(root, "outside"));
    await symlink("../..", join(root, "above"));
    await symlink("missing", join(root, "dangling"));
    const links = (await unpack(await pack())).filter(({ type }) => type === "symlink");
    expect(links.map(({ name, linkname, content }) => [name, linkname, content])).toEqual([
      ["above", "../..", ""],
      ["dangling", "missing", ""],
      ["outside", "/etc/passwd", ""],
    ]);
  });

  it("refuses sockets and pipes by name, unless they are ignored", async () => {
    await write("Dockerfile");
    const server = createServer().listen(join(root, "a.sock"));
    await promisify(execFile)("mkfifo", [join(root, "pipe")]);
    try {
      await expect(plan()).rejects.toMatchObject({
        code: "ERR_BUILD_CONTEXT_FILE",
        message: expect.stringMatching(/a\.sock .*socket|pipe .*named pipe/) as string,
      });
      await write(".dockerignore", "*.sock\npipe");
      expect(await paths()).toEqual([".dockerignore", "Dockerfile"]);
    } finally {
      server.close();
    }
  });

  it("stops at the limits of files and of bytes before anything is sent", async () => {
    await write("Dockerfile");
    for (let i = 0; i < 5; i += 1) await write(`d/${i}`, "0123456789");
    await expect(plan({ maxFiles: 6 })).rejects.toMatchObject({
      code: "ERR_BUILD_CONTEXT_TOO_LARGE",
    });
    await expect(plan({ maxFiles: 7 })).resolves.toBeDefined();
    await expect(plan({ maxBytes: 59 })).rejects.toMatchObject({
      code: "ERR_BUILD_CONTEXT_TOO_LARGE",
    });
    await expect(plan({ maxBytes: 60 })).resolves.toMatchObject({ bytes: 60 });
  });

  it("stops when it is aborted, with the reason given", async () => {
    await write("Dockerfile");
    const reason = new Error("enough");
    await expect(plan({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it.each([
    ["a missing directory", (): string => join(root, "nope")],
    ["a file", (): string => join(root, "Dockerfile")],
  ])("refuses %s as a context", async (_, path) => {
    await write("Dockerfile");
    await expect(plan({ path: path() })).rejects.toMatchObject({
      code: "ERR_BUILD_CONTEXT_UNREADABLE",
    });
  });
});

describe("the Dockerfile", () => {
  it("may be a link inside the context; the engine is told where it really is", async () => {
    await write("docker/real");
    await symlink("docker/real", join(root, "Dockerfile"));
    await write(".dockerignore", "docker");
    const found = await plan();
    expect(found.dockerfile).toBe("docker/real");
    expect(found.entries.map(({ path }) => path)).toContain("docker/real");
  });

  it.each([
    ["absent", "Dockerfile", "ERR_BUILD_NO_DOCKERFILE"],
    ["absent in a directory that is a file", "file/Dockerfile", "ERR_BUILD_NO_DOCKERFILE"],
    ["a dangling link", "dangling", "ERR_BUILD_NO_DOCKERFILE"],
    ["a link to itself", "loop", "ERR_BUILD_NO_DOCKERFILE"],
    ["a directory", "directory", "ERR_BUILD_DOCKERFILE_NOT_A_FILE"],
    ["a device", "device", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
    ["a link out of the tree", "outside", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
    ["below a link out of the tree", "up/passwd", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
    ["an absolute path", "/etc/passwd", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
    ["a path with ..", "a/../../x", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
    ["inside .git", ".git/Dockerfile", "ERR_BUILD_DOCKERFILE_OUTSIDE"],
  ])("is refused when it is %s", async (_, dockerfile, code) => {
    await write("file");
    await write(".git/Dockerfile");
    await mkdir(join(root, "directory"));
    await symlink("missing", join(root, "dangling"));
    await symlink("loop", join(root, "loop"));
    await symlink("/dev/null", join(root, "device"));
    await symlink("/etc/passwd", join(root, "outside"));
    await symlink("/etc", join(root, "up"));
    await expect(plan({ dockerfile })).rejects.toMatchObject({ code });
  });

  it("is sent but not looked into when it is enormous", async () => {
    await write("Dockerfile", "#".repeat(1024 * 1024 + 1));
    expect(await plan()).toMatchObject({ dockerfile: "Dockerfile", dockerfileText: undefined });
  });
});

describe("an ignore file", () => {
  it.each([
    [
      "leads out of the context",
      async (): Promise<void> => symlink("/etc/hosts", join(root, ".dockerignore")),
    ],
    ["is a directory", async (): Promise<void> => mkdir(join(root, ".dockerignore"))],
    ["holds a malformed pattern", async (): Promise<void> => write(".dockerignore", "a\n[b")],
  ])("is refused when it %s", async (_, make) => {
    await write("Dockerfile");
    await make();
    await expect(plan()).rejects.toMatchObject({ code: "ERR_BUILD_DOCKERIGNORE" });
  });
});

describe("the tar", () => {
  it("is ordered by bytes, owned by root, with normal modes and one time", async () => {
    await write("Dockerfile", "FROM x", 0o600);
    await write("a-b", "1", 0o777);
    await write("a/b", "2", 0o4711);
    await write("Z", "3", 0o400);
    await write("é", "4");
    const tar = await buffer(packContext(await plan(), 1_700_000_000));
    expect(await unpack(tar)).toMatchObject([
      { name: "./", type: "directory", mode: 0o755 },
      { name: "Dockerfile", mode: 0o644, owner: "0:0", mtime: 1_700_000_000_000 },
      { name: "Z", mode: 0o644 },
      { name: "a/", type: "directory", mode: 0o755, owner: "0:0", mtime: 1_700_000_000_000 },
      { name: "a-b", mode: 0o755 },
      { name: "a/b", mode: 0o755, content: "2" },
      { name: "é", content: "4" },
    ]);
  });

  it("is the same for the same tree, wherever, whenever and in whatever order it was written", async () => {
    const name = fc
      .stringMatching(/^[a-zA-Z0-9é._ -]{1,12}$/)
      .filter((n) => !/^\.+$/.test(n) && n !== ".git");
    const tree = fc.uniqueArray(
      fc.tuple(name, name, fc.uint8Array({ maxLength: 3000 }), fc.boolean()),
      {
        selector: ([directory, file]) => `d${directory}/${file}`,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        const digests: string[] = [];
        for (const order of [files, [...files].reverse()]) {
          await rm(root, { recursive: true, force: true });
          await write("Dockerfile", "FROM scratch");
          for (const [directory, file, content, executable] of order) {
            const path = `d${directory}/${file}`;
            await write(path, Buffer.from(content), executable ? 0o700 : 0o640);
            await utimes(join(root, path), digests.length * 1000, digests.length * 1000);
          }
          digests.push(
            createHash("sha256")
              .update(await pack())
              .digest("hex"),
          );
        }
        expect(digests[0]).toBe(digests[1]);
      }),
      { numRuns: 25 },
    );
  });

  it("carries long and foreign names, large files and empty ones unharmed", async () => {
    const large = Buffer.alloc(3_000_000, "0123456789");
    const long = `${"d".repeat(120)}/${"f".repeat(200)}`;
    await write("Dockerfile", "FROM x");
    await write(long, "long");
    await write("ünïcode/名前", "foreign");
    await write("large", large);
    await write("empty", "");
    const found = new Map((await unpack(await pack())).map((entry) => [entry.name, entry.content]));
    expect(found.get(long)).toBe("long");
    expect(found.get("ünïcode/名前")).toBe("foreign");
    expect(found.get("large")).toBe(large.toString());
    expect(found.get("empty")).toBe("");
  });

  it.each([
    ["grew", 10, async (path: string): Promise<void> => appendFile(path, "more")],
    ["shrank", 10, async (path: string): Promise<void> => truncate(path, 3)],
    ["vanished", 10, async (path: string): Promise<void> => rm(path)],
    ["large and grew", 1_000_000, async (path: string): Promise<void> => appendFile(path, "more")],
    ["large and shrank", 1_000_000, async (path: string): Promise<void> => truncate(path, 999_999)],
    [
      "became a link",
      10,
      async (path: string): Promise<void> => {
        await rename(path, `${path}.old`);
        await symlink("/etc/passwd", path);
      },
    ],
    [
      "became a directory",
      10,
      async (path: string): Promise<void> => {
        await rm(path);
        await mkdir(path);
      },
    ],
  ])("fails when a file %s after it was planned", async (_, size, change) => {
    await write("Dockerfile", "FROM x");
    await write("file", Buffer.alloc(size, "x"));
    const planned = await plan();
    await change(join(root, "file"));
    const before = await openFiles();
    await expect(buffer(packContext(planned, 0))).rejects.toMatchObject({
      code: "ERR_BUILD_CONTEXT_CHANGED",
    });
    expect(await openFiles()).toBe(before);
  });

  it("reads no further than it is read, and closes its files when it is destroyed", async () => {
    await write("Dockerfile", "FROM x");
    await write("large", Buffer.alloc(20_000_000));
    const before = await openFiles();
    const tar = packContext(await plan(), 0);
    for await (const chunk of tar) {
      expect((chunk as Buffer).length).toBeLessThan(1_000_000);
      break;
    }
    expect(tar.destroyed).toBe(true);
    await expect.poll(openFiles).toBe(before);
  });
});
