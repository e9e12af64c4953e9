import fc from "fast-check";
import { lstat, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { Readable } from "node:stream";
import { pack, type Header } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unpackToHost } from "./copy-out.js";

type Entry = Partial<Header> & { readonly name: string; readonly text?: string };

async function archiveOf(entries: readonly Entry[]): Promise<Readable> {
  const tar = pack();
  for (const { text, ...header } of entries) {
    if (header.type === undefined || header.type === "file") tar.entry(header, text ?? "");
    else tar.entry(header as Header);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Readable.from(chunks);
}

describe("unpackToHost", () => {
  let root: string;
  let count = 0;
  beforeAll(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "molecule-unpack-")));
    await writeFile(join(root, "canary"), "untouched");
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const unpack = async (entries: readonly Entry[], limits = {}): Promise<string> => {
    count += 1;
    const hostPath = join(root, `target-${count}`);
    await unpackToHost(await archiveOf(entries), { hostPath, name: "top", ...limits });
    return hostPath;
  };
  const unsafe = { code: "ERR_WORKSPACE_COPY_UNSAFE" };

  it.each<[string, Entry[]]>([
    ["a name with ..", [{ name: "../canary", text: "x" }]],
    ["an absolute name", [{ name: "/etc/x", text: "x" }]],
    ["a .. deeper down", [{ name: "top/", type: "directory" }, { name: "top/../../canary" }]],
    ["two things at the top", [{ name: "a" }, { name: "b" }]],
    [
      "a link and then a file below it",
      [
        { name: "top/", type: "directory" },
        { name: "top/link", type: "symlink", linkname: "." },
        { name: "top/link/x", text: "x" },
      ],
    ],
    [
      "a hard link to the outside",
      [
        { name: "top/", type: "directory" },
        { name: "top/x", type: "link", linkname: "../canary" },
      ],
    ],
    [
      "a hard link to a link",
      [
        { name: "top/", type: "directory" },
        { name: "top/s", type: "symlink", linkname: "x" },
        { name: "top/x", type: "link", linkname: "top/s" },
      ],
    ],
    ["a device", [{ name: "top", type: "character-device", devmajor: 1, devminor: 3 }]],
    ["nothing", []],
  ])("refuses %s", async (_, entries) => {
    await expect(unpack(entries)).rejects.toMatchObject(unsafe);
    expect(await readFile(join(root, "canary"), "utf8")).toBe("untouched");
    expect((await readdir(root)).filter((name) => name.startsWith(".molecule"))).toEqual([]);
  });

  it("refuses more bytes and more entries than allowed", async () => {
    const entries = [
      { name: "top/", type: "directory" as const },
      { name: "top/a", text: "12345" },
    ];
    await expect(unpack(entries, { maxBytes: 4 })).rejects.toMatchObject(unsafe);
    await expect(unpack(entries, { maxEntries: 1 })).rejects.toMatchObject(unsafe);
    await unpack(entries, { maxBytes: 5, maxEntries: 2 });
  });

  it("writes nothing outside of its target, whatever the archive says", async () => {
    const part = fc.constantFrom("a", "b", "..", ".", "", "top", "link");
    const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    const entry = fc.record({
      name: fc.oneof(
        name,
        name.map((rest) => `top/${rest}`),
      ),
      type: fc.constantFrom<Header["type"]>("file", "directory", "symlink", "link"),
      linkname: fc.oneof(
        name,
        name.map((rest) => `../${rest}`),
        fc.constant("/etc"),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const before = await readdir(root);
        const all: Entry[] = [{ name: "top/", type: "directory" }, ...(entries as Entry[])];
        const target = await unpack(all).catch(() => undefined);
        expect(await readFile(join(root, "canary"), "utf8")).toBe("untouched");
        const after = (await readdir(root)).filter((found) => !before.includes(found));
        expect(after.map((found) => join(root, found))).toEqual(
          target === undefined ? [] : [target],
        );
        if (target !== undefined) await expectInside(target, target);
      }),
      { numRuns: 150 },
    );
  });
});

/** Every link below leads to something below, or nowhere. */
async function expectInside(top: string, path: string): Promise<void> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) {
    const target = await realpath(path).catch(() => top);
    expect(target === top || target.startsWith(top + sep)).toBe(true);
  } else if (stat.isDirectory()) {
    for (const name of await readdir(path)) await expectInside(top, join(path, name));
  }
}
