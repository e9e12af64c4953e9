import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BuildBackend } from "../src/backends/backend.js";
import { createBuildx } from "../src/buildx/buildx.js";
import { checkBuild } from "../src/buildx/check-build.js";
import { backendOf } from "./buildx-setup.js";
import { directoryOf } from "./setup.js";

/** What BuildKit answers to `frontend.lint`, as `fixtures/check-report.json` has it. */
const REPORT = new URL("fixtures/check-report.json", import.meta.url).pathname;

/** No buildx of the machine knows checks: this is one that answers as those that do. */
describe("a check of a Dockerfile", () => {
  let directory: string;
  const known = backendOf("remote", "b");
  const backend: BuildBackend = {
    ...known,
    capabilities: { ...known.capabilities, check: true },
  };
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-check-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const check = async (script: string, on = backend): ReturnType<typeof checkBuild> => {
    const file = join(directory, "buildx");
    await writeFile(file, `#!/bin/sh\necho "$*" > '${directory}/args'\n${script}\n`);
    await chmod(file, 0o755);
    await using context = await directoryOf({ Dockerfile: "FROM scratch as x\n" });
    return await checkBuild({
      buildx: createBuildx({ command: { file, args: [] }, env: { PATH: "/usr/bin:/bin" } }),
      backend: on,
      request: { context: { kind: "directory", path: context.path }, tags: ["a:1"], target: "x" },
    });
  };

  it("gives its findings, which are no failure", async () => {
    const report = await check(`cat > '${directory}/context'; cat '${REPORT}'; exit 1`);
    expect(report.findings).toMatchObject([{ rule: "FromAsCasing", line: 1 }]);
    expect((await readFile(join(directory, "args"), "utf8")).trim()).toBe(
      "build --call=check,format=json --progress=rawjson --builder b --file Dockerfile --target x -",
    );
    expect(await readFile(join(directory, "context"), "latin1")).toContain("FROM scratch as x");
  });

  it("fails as a build does when there is no report", async () => {
    await expect(check("echo 'ERROR: no builder \"b\" found' >&2; exit 1")).rejects.toMatchObject({
      code: "ERR_BUILDER",
    });
    await expect(check("echo '{}x'")).rejects.toMatchObject({ code: "ERR_BUILDX_FAILED" });
    await expect(check("exit 0")).rejects.toMatchObject({ code: "ERR_BUILDX_FAILED" });
  });

  it("is refused where the builder has none", async () => {
    await expect(check("", known)).rejects.toMatchObject({ code: "ERR_BUILD_BACKEND" });
  });
});
