import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readSecretFiles, serverConfigFromEnv } from "../src/config.js";

const run = promisify(execFile);
const SERVER = join(dirname(fileURLToPath(import.meta.url)), "..");

interface ComposeService {
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly ports?: readonly string[];
  readonly networks: unknown;
}

interface ComposeFile {
  readonly services: Readonly<Record<"server" | "postgres", ComposeService>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const compose = parse(await readFile(join(SERVER, "compose.yaml"), "utf8")) as ComposeFile;
const directories: string[] = [];

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

/** The files as in a checkout, after the secrets were made. */
async function makeSecrets(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-compose-"));
  directories.push(directory);
  await cp(join(SERVER, "compose-secrets.mjs"), join(directory, "compose-secrets.mjs"));
  await run(process.execPath, [
    join(directory, "compose-secrets.mjs"),
    "--socket",
    process.execPath,
  ]);
  return directory;
}

describe("compose.yaml", () => {
  it("gives the server settings that it accepts", async () => {
    const directory = await makeSecrets();
    const env = Object.fromEntries(
      Object.entries(compose.services.server.environment).map(([name, value]) => [
        name,
        String(value)
          .replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1")
          .replace("/run/secrets", join(directory, "secrets")),
      ]),
    );
    const config = serverConfigFromEnv(readSecretFiles(env));
    expect(config.inDocker).toBe(true);
    expect(config.databaseUrl).toMatch(
      /^postgres:\/\/molecule:[0-9a-f]{48}@postgres:5432\/molecule$/,
    );
    expect(config.secretsKey).toMatch(/^[0-9a-f]{64}$/);
    expect(config.adminToken).toMatch(/^[\w-]{43}$/);
  });

  it("keeps every secret in a file that exists once the secrets were made", async () => {
    const directory = await makeSecrets();
    const { server, postgres } = compose.services;
    for (const name of [...server.secrets, ...postgres.secrets]) {
      const file = compose.secrets[name]?.file;
      expect(file, name).toBeDefined();
      expect((await stat(join(directory, file ?? ""))).mode & 0o777, name).toBe(0o400);
    }
    const values = Object.values({ ...server.environment, ...postgres.environment }).join("\n");
    expect(values).not.toMatch(/\$\{[A-Z_]*(?:PASSWORD|TOKEN|KEY)/);
  });

  it("publishes nothing but the server, on loopback, and hides the database from workspaces", () => {
    expect(compose.services.server.ports).toEqual(["127.0.0.1:${PORT:-8080}:8080"]);
    expect(compose.services.postgres.ports).toBeUndefined();
    expect(compose.services.postgres.networks).toEqual(["inside"]);
  });
});

describe("compose-secrets.mjs", () => {
  it("keeps what exists, so that nobody loses a key by running it twice", async () => {
    const directory = await makeSecrets();
    const read = (name: string): Promise<string> =>
      readFile(join(directory, "secrets", name), "utf8");
    const key = await read("encryption_key");
    const { stdout } = await run(process.execPath, [
      join(directory, "compose-secrets.mjs"),
      "--socket",
      process.execPath,
    ]);
    expect(await read("encryption_key")).toBe(key);
    expect(stdout).toContain("kept");
    expect(stdout).not.toContain(key);
    expect(stdout).not.toContain(await read("admin_token"));
    expect(await readFile(join(directory, ".env"), "utf8")).toBe(
      `DOCKER_GID=${(await stat(process.execPath)).gid}\n`,
    );
  });
});

describe("molecule-server.service", () => {
  it("starts the program of this package and lets it end by itself first", async () => {
    const unit = await readFile(join(SERVER, "molecule-server.service"), "utf8");
    const manifest = JSON.parse(await readFile(join(SERVER, "package.json"), "utf8")) as {
      readonly bin: Readonly<Record<string, string>>;
      readonly files: readonly string[];
    };
    const program = /^ExecStart=\/usr\/bin\/env (\S+)$/m.exec(unit)?.[1] ?? "";
    expect(Object.keys(manifest.bin)).toContain(program);
    expect(manifest.files).toContain("molecule-server.service");
    const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
    expect(stop * 1000).toBeGreaterThan(serverConfigFromEnv({}).shutdownGraceMs);
  });
});
