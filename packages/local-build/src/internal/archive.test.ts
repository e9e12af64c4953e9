import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { archiveOf, streamOf, type ArchiveEntry } from "../../test/fixtures/archive-of.js";
import { extractArchive } from "./archive.js";

let room: string;
beforeEach(async () => {
  room = await mkdtemp(join(tmpdir(), "archive-"));
});
afterEach(() => rm(room, { recursive: true, force: true }));

const SHA = "a".repeat(40);

function extract(
  bytes: Buffer | Readable,
  limits: { templateBytes: number; templateFiles: number } = {
    templateBytes: 1_000_000,
    templateFiles: 100,
  },
  signal: AbortSignal = new AbortController().signal,
): ReturnType<typeof extractArchive> {
  return extractArchive(bytes instanceof Readable ? bytes : streamOf(bytes), join(room, "out"), {
    limits,
    signal,
    onProgress: () => {},
  });
}

test("files, directories, links and modes are unpacked without the top directory", async () => {
  const result = await extract(
    archiveOf(
      [
        { path: "repo/", type: "Directory" },
        { path: "repo/Dockerfile", content: "FROM scratch\n" },
        { path: "repo/sub/", type: "Directory" },
        { path: "repo/sub/link", type: "SymbolicLink", linkpath: "../Dockerfile" },
      ],
      { commit: SHA },
    ),
  );
  expect(result).toEqual({ commit: SHA, committedAt: 1_700_000_000_000 });
  expect((await readdir(join(room, "out"), { recursive: true })).sort()).toEqual([
    "Dockerfile",
    "sub",
    "sub/link",
  ]);
  expect(await readFile(join(room, "out/sub/link"), "utf8")).toBe("FROM scratch\n");
});

test("an archive without a commit says so", async () => {
  const result = await extract(archiveOf([{ path: "repo/a", content: "x" }]));
  expect(result.commit).toBeUndefined();
});

describe("what is refused, with nothing outside the destination touched", () => {
  const hostile: [string, ArchiveEntry[]][] = [
    ["a path that climbs", [{ path: "repo/../../evil", content: "x" }]],
    ["an absolute path", [{ path: "/evil", content: "x" }]],
    ["a second top directory", [{ path: "repo/a" }, { path: "other/b" }]],
    ["a top directory named ..", [{ path: "../evil", content: "x" }]],
    ["an absolute link", [{ path: "repo/l", type: "SymbolicLink", linkpath: "/etc" }]],
    ["a climbing link", [{ path: "repo/l", type: "SymbolicLink", linkpath: "../x" }]],
    ["a hard link", [{ path: "repo/l", type: "Link", linkpath: "/etc/passwd" }]],
    ["a device", [{ path: "repo/d", type: "CharacterDevice" }]],
    ["a fifo", [{ path: "repo/p", type: "FIFO" }]],
    [".git", [{ path: "repo/.git/config", content: "x" }]],
    [".GIT below", [{ path: "repo/a/.GIT/hooks/x", content: "x" }]],
    [
      "a file written through a link",
      [
        { path: "repo/l", type: "SymbolicLink", linkpath: "../../.." },
        { path: "repo/l/evil", content: "x" },
      ],
    ],
  ];
  test.each(hostile)("%s", async (_name, entries) => {
    await expect(extract(archiveOf(entries, { commit: SHA }))).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    });
    expect((await readdir(room)).sort()).toEqual(["out"]);
  });
});

describe("limits", () => {
  test("too many entries", async () => {
    const entries = Array.from({ length: 12 }, (_, index) => ({ path: `repo/f${index}` }));
    await expect(
      extract(archiveOf(entries), { templateBytes: 1000, templateFiles: 10 }),
    ).rejects.toMatchObject({ code: "ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE" });
  });

  test("too many bytes, before they are written", async () => {
    const bytes = archiveOf([{ path: "repo/big", content: Buffer.alloc(5000) }]);
    await expect(extract(bytes, { templateBytes: 4000, templateFiles: 10 })).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE",
    });
    expect(await readdir(join(room, "out"))).toEqual([]);
  });

  test("a small archive that unpacks to endless zeros", async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    await expect(extract(bomb, { templateBytes: 1000, templateFiles: 10 })).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE",
    });
  });
});

describe("damage", () => {
  const whole = archiveOf([{ path: "repo/a", content: "x".repeat(3000) }], { commit: SHA });

  test("an archive cut anywhere fails as damaged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        await rm(join(room, "out"), { recursive: true, force: true });
        await expect(extract(whole.subarray(0, length))).rejects.toMatchObject({
          code: "ERR_LOCAL_BUILD_CHECKOUT",
        });
      }),
      { numRuns: 30 },
    );
  });

  test("bytes that are no archive fail with a code, whatever they are", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        await rm(join(room, "out"), { recursive: true, force: true });
        await expect(
          extract(gzipSync(bytes)).then(
            () => "fine",
            () => "refused",
          ),
        ).resolves.toMatch(/fine|refused/);
        expect((await readdir(room)).sort()).toEqual(["out"]);
      }),
      { numRuns: 30 },
    );
  });

  test("a stream that breaks keeps its reason as the cause", async () => {
    const broken = new Error("connection reset");
    const stream = new Readable({
      read() {
        this.destroy(broken);
      },
    });
    await expect(extract(stream)).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_CHECKOUT",
      cause: broken,
    });
  });

  test("an abort rejects with its own reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const endless = new Readable({ read() {} });
    const work = extract(endless, undefined, controller.signal);
    controller.abort(reason);
    await expect(work).rejects.toBe(reason);
    expect(endless.destroyed).toBe(true);
    expect((await stat(room)).isDirectory()).toBe(true);
  });
});
