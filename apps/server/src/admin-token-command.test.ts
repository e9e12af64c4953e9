import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { runAdminTokenCommand } from "./admin-token-command.js";
import { serverConfigFromEnv } from "./config.js";

let stateDirectory: string;
beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "molecule-admin-"));
  return () => rm(stateDirectory, { recursive: true, force: true });
});
const configWith = (env: Readonly<Record<string, string>> = {}) =>
  serverConfigFromEnv({ MOLECULE_STATE_DIR: stateDirectory, ...env });

it("makes another token each time", async () => {
  const first = await runAdminTokenCommand(["--rotate"], configWith());
  const second = await runAdminTokenCommand(["--rotate"], configWith());
  expect(first).toMatch(/: [A-Za-z0-9_-]{43}$/);
  expect(second).not.toBe(first);
});

it("refuses while ADMIN_TOKEN decides the token, and touches no store", async () => {
  const config = configWith({ ADMIN_TOKEN: "a-token-of-the-environment" });
  await expect(runAdminTokenCommand(["--rotate"], config)).rejects.toMatchObject({
    code: "ERR_SERVER_CONFIG",
    hint: expect.stringContaining("Change ADMIN_TOKEN") as string,
  });
  expect(await readdir(stateDirectory)).toEqual([]);
});

it.each([[[]], [["--show"]], [["--rotate", "--rotate"]]])(
  "refuses the arguments %j",
  async (args) => {
    await expect(runAdminTokenCommand(args, configWith())).rejects.toMatchObject({
      code: "ERR_SERVER_CONFIG",
    });
    expect(await readdir(stateDirectory)).toEqual([]);
  },
);
