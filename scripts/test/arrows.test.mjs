import { describe, expect, it } from "vitest";
import { faultsOf } from "../gates/arrows.mjs";

const manifest = {
  name: "@molecule-ai/gitea-client",
  dependencies: { "@molecule-ai/core": "workspace:^", "@molecule-ai/docker-engine": "workspace:^" },
  devDependencies: { "@molecule-ai/testkit": "workspace:*" },
};
const rules = { manifest, allowed: ["core"] };

describe("the arrows gate", () => {
  it("lets an arrow that is drawn pass, and imports of others' packages", () => {
    const source = `import { x } from "@molecule-ai/core";\nimport "node:fs";\nexport * from "./a.js";`;
    expect(faultsOf(source, false, rules)).toEqual([]);
  });

  it.each([
    `import { x } from "@molecule-ai/docker-engine";`,
    `export type { X } from '@molecule-ai/docker-engine';`,
    `const x = await import("@molecule-ai/docker-engine");`,
    `import "@molecule-ai/docker-engine";`,
    `import {\n  x,\n} from "@molecule-ai/docker-engine";`,
  ])("refuses an arrow that is not drawn: %s", (source) => {
    expect(faultsOf(source, false, rules)).toEqual([expect.stringContaining("no arrow")]);
    expect(faultsOf(source, true, rules)).toEqual([expect.stringContaining("no arrow")]);
  });

  it("lets only tests use the test doubles", () => {
    const source = `import { x } from "@molecule-ai/testkit";`;
    expect(faultsOf(source, true, rules)).toEqual([]);
    expect(faultsOf(source, false, rules)).not.toEqual([]);
  });

  it("refuses what package.json does not declare", () => {
    const source = `import { x } from "@molecule-ai/core";`;
    expect(faultsOf(source, false, { ...rules, manifest: { name: "x" } })).toEqual([
      expect.stringContaining("not declared"),
    ]);
  });

  it("refuses the back door into another package", () => {
    const source = `import { x } from "../../../packages/core/src/ids.js";`;
    expect(faultsOf(source, false, rules)).toEqual([expect.stringContaining("by path")]);
  });

  it("does not read comments", () => {
    const source = `/**\n * import { x } from "@molecule-ai/docker-engine";\n */\n// from "@molecule-ai/cli"\n`;
    expect(faultsOf(source, false, rules)).toEqual([]);
  });
});
