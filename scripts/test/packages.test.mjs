import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { check } from "../gates/packages.mjs";

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * @param {string} file
 * @param {unknown} value
 */
const writeJson = (file, value) => writeFile(file, JSON.stringify(value));

it("finds a package whose types and entry are not in its tarball", async () => {
  const root = await mkdtemp(join(tmpdir(), "packages-gate-"));
  try {
    const dir = join(root, "packages/poison");
    await mkdir(join(dir, "dist"), { recursive: true });
    await mkdir(join(root, "apps"));
    await symlink(join(repository, "node_modules"), join(root, "node_modules"));
    await writeJson(join(root, "package.json"), { name: "root", packageManager: "pnpm@12.21.0" });
    await writeFile(
      join(root, "pnpm-workspace.yaml"),
      "packages: [packages/*]\npmOnFail: ignore\n",
    );
    await writeFile(join(dir, "dist/index.js"), "export const x = 1;\n");
    await writeJson(join(dir, "package.json"), {
      name: "@molecule-ai/core",
      version: "1.0.0",
      type: "module",
      files: ["lib"],
      exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
    });
    const findings = (await check(root)).join("\n");
    expect(findings).toMatch(/@molecule-ai\/core: publint: .*dist\/index\.js/);
    expect(findings).toContain("@molecule-ai/core: attw:");
    expect(findings).toContain("@molecule-ai/core: alone:");
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
