import { isProvisionerError } from "@molecule-ai/core";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTemplateCatalog } from "./template-catalog.js";

let root: string;
let configs: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "molecule-templates-"));
  configs = join(root, "configs");
  await mkdir(configs);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(name: string, configYaml: string): Promise<void> {
  await mkdir(join(configs, name), { recursive: true });
  await writeFile(join(configs, name, "config.yaml"), configYaml);
}

const isInvalid = (error: unknown): boolean => isProvisionerError(error, "ERR_REQUEST_INVALID");

describe("find", () => {
  it("gives a template with what its config.yaml says", async () => {
    await put("hermes-default", "name: Hermes\nruntime: hermes\nmodel: m\n");
    const found = await createTemplateCatalog(configs).find("hermes-default");
    expect(found).toMatchObject({ name: "hermes-default", title: "Hermes", runtime: "hermes" });
    expect(found?.path).toBe(join(configs, "hermes-default"));
  });

  it("is undefined for one that is not there, and without a directory of templates", async () => {
    expect(await createTemplateCatalog(configs).find("none")).toBeUndefined();
    expect(await createTemplateCatalog(undefined).find("none")).toBeUndefined();
    expect(await createTemplateCatalog(join(root, "absent")).find("none")).toBeUndefined();
  });

  it.each(["../configs", "..", ".", "", "a/b", "/etc", ".git", "a\nb", "x".repeat(200)])(
    "refuses the name %j",
    async (name) => {
      await expect(createTemplateCatalog(configs).find(name)).rejects.toSatisfy(isInvalid);
      await expect(createTemplateCatalog(undefined).find(name)).rejects.toSatisfy(isInvalid);
    },
  );

  it("refuses a link that leads out, and a linked config.yaml", async () => {
    await mkdir(join(root, "outside"));
    await writeFile(join(root, "outside", "config.yaml"), "name: secret\n");
    await symlink(join(root, "outside"), join(configs, "linked"));
    await mkdir(join(configs, "inner"));
    await symlink(join(root, "outside", "config.yaml"), join(configs, "inner", "config.yaml"));
    const catalog = createTemplateCatalog(configs);
    await expect(catalog.find("linked")).rejects.toSatisfy(isInvalid);
    await expect(catalog.find("inner")).rejects.toSatisfy(isInvalid);
  });

  it("refuses a template without a readable config.yaml", async () => {
    await put("broken", "a: [");
    await mkdir(join(configs, "empty"));
    await mkdir(join(configs, "directory", "config.yaml"), { recursive: true });
    const catalog = createTemplateCatalog(configs);
    for (const name of ["broken", "empty", "directory"]) {
      await expect(catalog.find(name), name).rejects.toSatisfy(isInvalid);
    }
  });
});

describe("list and provisionTimeouts", () => {
  it("pass over what is no template", async () => {
    await put("b", "name: B\n");
    await put("a", "name: A\n");
    await put("broken", "a: [");
    await writeFile(join(configs, "README.md"), "not a template");
    const names = (await createTemplateCatalog(configs).list()).map(({ name }) => name);
    expect(names).toEqual(["a", "b"]);
    expect(await createTemplateCatalog(undefined).list()).toEqual([]);
  });

  it("give the longest time that templates of one runtime declare, read once", async () => {
    const timeout = (runtime: string, seconds: string): string =>
      `runtime: ${runtime}\nruntime_config:\n  provision_timeout_seconds: ${seconds}\n`;
    await put("a", timeout("hermes", "60"));
    await put("b", timeout("hermes", "90"));
    await put("c", timeout("codex", "never"));
    await put("d", "runtime: langgraph\n");
    const catalog = createTemplateCatalog(configs);
    expect([...(await catalog.provisionTimeouts())]).toEqual([["hermes", 90_000]]);
    await put("e", timeout("codex", "5"));
    expect([...(await catalog.provisionTimeouts())]).toEqual([["hermes", 90_000]]);
  });
});
