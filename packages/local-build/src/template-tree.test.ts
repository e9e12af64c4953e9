import { mkdtemp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashObject, hashTree } from "./git-object.js";
import { readTemplateTree, staysInside } from "./template-tree.js";

let root: string;
beforeEach(async () => {
  root = realpathSync(await mkdtemp(join(tmpdir(), "tree-")));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const options = {
  objectFormat: "sha1",
  limits: { templateBytes: 10_000_000, templateFiles: 100 },
} as const;

describe("links", () => {
  test.each([
    ["a", "b", true],
    ["d/a", "../b", true],
    ["d/e/a", "../../b", true],
    ["a", "./d/b", true],
    ["d/a", "..", true],
    ["a", "/etc/passwd", false],
    ["a", "../b", false],
    ["d/a", "../../b", false],
    ["a", "d/../../b", false],
    ["a", "d/../b", false],
    ["a", "", false],
    ["a", "..", false],
  ])("at %j to %j: inside is %s", (path, target, expected) => {
    expect(staysInside(path, target)).toBe(expected);
  });

  test("that pass, however they are chained, never lead out of the tree", async () => {
    const segment = fc.constantFrom("..", "..", ".", "d", "e", "l0", "l1", "l2");
    const target = fc
      .array(segment, { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join("/"));
    const place = fc.constantFrom("", "d/", "d/e/");
    const links = fc.array(fc.tuple(place, target), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(links, async (list) => {
        const tree = await mkdtemp(join(root, "t-"));
        await mkdir(join(tree, "d/e"), { recursive: true });
        for (const [index, [directory, to]] of list.entries()) {
          const path = `${directory}l${index}`;
          if (!staysInside(path, to)) continue;
          await symlink(to, join(tree, path));
        }
        for (const [index, [directory]] of list.entries()) {
          let real: string;
          try {
            real = realpathSync(join(tree, `${directory}l${index}`));
          } catch {
            continue;
          }
          expect(real === tree || real.startsWith(tree + sep)).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("a tree", () => {
  test("that is empty has git's id of the empty tree; empty directories do not count", async () => {
    await mkdir(join(root, "a/b"), { recursive: true });
    expect((await readTemplateTree(root, options)).tree).toBe(hashTree("sha1", []));
  });

  test("holds a submodule as its commit, though only an empty directory is there", async () => {
    await mkdir(join(root, "lib"));
    const id = "c".repeat(40);
    const { tree } = await readTemplateTree(root, { ...options, submodules: { lib: id } });
    expect(tree).toBe(hashTree("sha1", [{ mode: "160000", name: Buffer.from("lib"), id }]));
  });

  test("hashes a large file as a stream, to the same id", async () => {
    const body = Buffer.alloc(3_000_000, "x");
    await writeFile(join(root, "big"), body);
    const id = hashObject("sha1", "blob", body);
    const { tree, sizeBytes } = await readTemplateTree(root, options);
    expect(tree).toBe(hashTree("sha1", [{ mode: "100644", name: Buffer.from("big"), id }]));
    expect(sizeBytes).toBe(body.length);
  });

  test.each(["a/.git/config", ".GIT", "x/.git"])("with %s is refused", async (path) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), "");
    await expect(readTemplateTree(root, options)).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    });
  });

  test("stops reading on abort", async () => {
    await writeFile(join(root, "a"), "");
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(readTemplateTree(root, { ...options, signal })).rejects.toBe(reason);
  });
});
