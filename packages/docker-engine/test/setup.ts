import { createRedactor, type Redactor } from "@molecule-ai/core";
import { cleanupEngine, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import {
  connectEngine,
  engineSettingsFromEnv,
  type ConnectEngineOptions,
  type DockerEngine,
} from "../src/index.js";

export const testEngine: Awaited<ReturnType<typeof findTestEngine>> = await findTestEngine();
export const socketPath: string = testEngine.socketPath ?? "";
export const skip: boolean = testEngine.skip !== undefined;

/** A home directory without any Docker configuration. */
export const home: string = mkdtempSync(join(tmpdir(), "docker-engine-test-"));

/** A label for all that this test file makes, which is removed when its tests are done. */
export const label: string = `molecule.test.run=${uniqueName("engine")}`;
export const labels: Record<string, string> = Object.fromEntries([label.split("=")]);

afterAll(async () => {
  if (testEngine.socketPath !== undefined) await cleanupEngine(testEngine.socketPath, label);
  await rm(home, { recursive: true, force: true });
});

/** Connects as a user whose environment holds only `env`. */
export function connect(
  env: Record<string, string> = {},
  options: Partial<ConnectEngineOptions> & { readonly redactor?: Redactor } = {},
): Promise<DockerEngine> {
  const settings = engineSettingsFromEnv(
    { DOCKER_HOST: `unix://${socketPath}`, PATH: process.env["PATH"], ...env },
    { homeDirectory: home, platform: process.platform, uid: process.getuid?.() },
  );
  return connectEngine({ settings, redactor: createRedactor(), ...options });
}
